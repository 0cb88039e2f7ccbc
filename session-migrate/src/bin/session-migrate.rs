//! Creates, shows and drops the tables of session-core.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a command speaks to its terminal")]

use std::error::Error;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use session_migrate::MigrateError;

#[path = "../cli/mod.rs"]
mod cli;

/// Creates, shows and drops the tables of session-core.
///
/// Exit codes: 0 done, 1 failed, 2 called wrongly.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Recognises what a database holds and counts it; writes nothing.
    Inspect(cli::inspect::Inspect),
    /// Applies every step that the database does not have yet.
    Up(Target),
    /// Shows which steps the database has; writes nothing.
    Status(Target),
    /// Drops the tables: everybody is signed out.
    Down {
        #[command(flatten)]
        target: Target,
        /// Yes, drop every session.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
struct Target {
    /// The database's address: sqlite://FILE, postgres://… or mysql://…
    #[arg(long = "to", value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    url: String,
}

/// The address has a password in it.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Target(..)")
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let task = Command::parse().task;
    if let Task::Inspect(words) = &task {
        return inspect(words).await;
    }
    match run(task).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn inspect(words: &cli::inspect::Inspect) -> ExitCode {
    match cli::inspect::run(words).await {
        Ok(outcome) => {
            println!("{}", outcome.text.trim_end());
            if outcome.is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            if error.is_misuse() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(task: Task) -> Result<ExitCode, MigrateError> {
    match task {
        // Its errors are of another kind: `main` has answered it.
        Task::Inspect(_) => {}
        Task::Up(target) => tell("applied", &session_migrate::up(&target.url).await?),
        Task::Status(target) => {
            for step in session_migrate::status(&target.url).await? {
                println!("{} {}", if step.is_applied { "applied" } else { "pending" }, step.name);
            }
        }
        Task::Down { yes: false, .. } => {
            eprintln!("error: down drops every session; say --yes if that is meant");
            return Ok(ExitCode::from(2));
        }
        Task::Down { target, yes: true } => {
            tell("dropped", &session_migrate::down(&target.url).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(what: &str, steps: &[String]) {
    if steps.is_empty() {
        println!("nothing to do");
    }
    for step in steps {
        println!("{what} {step}");
    }
}

/// An error with its causes, on one line. A cause that its error repeats is said once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
