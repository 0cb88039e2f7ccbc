//! Moves databases that were built for one session a user to many, and keeps the tables.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a command speaks to its terminal")]

use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

#[path = "../cli/mod.rs"]
mod cli;

use cli::failure::Failure;
use cli::moves::{self, Answer};
use cli::words::{MoveWords, PruneWords};

/// Moves databases that were built for one session a user to many, and keeps the tables.
///
/// Keys come from the environment, or from files that it names: SESSION_MIGRATE_SOURCE_KEY (or
/// _FILE) and SESSION_MIGRATE_SOURCE_OLD_KEYS open the source's tokens, SESSION_KEYS (or _FILE;
/// id:base64 of 32 bytes, parted by commas) seals them in the target.
///
/// Exit codes: 0 done, 1 differs or failed, 2 called wrongly.
#[derive(Debug, Parser)]
#[command(name = "session-migrate", version, arg_required_else_help = true)]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Recognises what a database holds and counts it; writes nothing.
    Inspect(cli::inspect::Inspect),
    /// Shows what an apply would do; writes nothing.
    Plan {
        #[command(flatten)]
        words: MoveWords,
        /// Prints every statement that an apply runs.
        #[arg(long)]
        sql: bool,
        /// Prints a report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Moves the rows and opens the target; goes on where an earlier run was stopped.
    Apply {
        #[command(flatten)]
        words: MoveWords,
        /// The digest of the plan that is to be carried out.
        #[arg(long, value_name = "DIGEST", conflicts_with = "yes")]
        plan: Option<String>,
        /// Yes, without having read a plan.
        #[arg(long)]
        yes: bool,
        /// Prints a report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compares both sides row by row; writes nothing.
    Verify {
        #[command(flatten)]
        words: MoveWords,
        /// Lists every row. A key can be a cookie: the list is as confidential as the source.
        #[arg(long)]
        rows: bool,
        /// Prints a report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows how far moves are and which table steps a database has; writes nothing.
    Status(Status),
    /// Takes a move back.
    Rollback {
        #[command(flatten)]
        words: MoveWords,
        /// Leaves renewed tokens, and names the sign-ins that are lost by it.
        #[arg(long)]
        discard_renewed: bool,
        /// Prints a report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Leaves the source behind for good.
    Finalize(Plain),
    /// Pauses a move after the batch that is under way.
    Pause(Plain),
    /// Ends a pause, and goes on with the work if nobody else does.
    Resume(Plain),
    /// Takes the lock away from a process that does nothing any more.
    Unlock(Plain),
    /// Enforces a cap in place, on a table that keeps its own layout.
    Prune {
        #[command(flatten)]
        words: PruneWords,
        /// Archives and deletes what is too many; without it nothing is written.
        #[arg(long)]
        yes: bool,
        /// Prints a report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Creates the tables, or applies the steps that a database does not have yet.
    Up(Target),
    /// Drops the tables: everybody is signed out.
    Down {
        #[command(flatten)]
        target: Target,
        /// Yes, drop every session.
        #[arg(long)]
        yes: bool,
    },
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints the manual page.
    Man,
}

#[derive(Debug, Args)]
struct Plain {
    #[command(flatten)]
    words: MoveWords,
    /// Prints a report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Status {
    /// The source's address, where the target is the same database.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// The target's address.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    to: Option<String>,
    /// Taken as at the other calls; the target knows its moves by itself.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Taken as at the other calls; the target knows its moves by itself.
    #[arg(long, value_name = "FILE")]
    mapping: Option<String>,
    /// Prints a report as JSON.
    #[arg(long)]
    json: bool,
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

/// Addresses have passwords.
impl std::fmt::Debug for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Status(..)")
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let task = Command::parse().task;
    let is_json = is_json(&task);
    match Box::pin(run(task)).await {
        Ok(answer) => {
            println!("{}", answer.text.trim_end());
            if answer.is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => {
            if !failure.message().is_empty() {
                if is_json {
                    println!("{}", failure.to_json());
                }
                eprintln!("error: {}", failure.message());
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

const fn is_json(task: &Task) -> bool {
    match task {
        Task::Plan { json, .. }
        | Task::Apply { json, .. }
        | Task::Verify { json, .. }
        | Task::Rollback { json, .. }
        | Task::Prune { json, .. } => *json,
        Task::Finalize(plain) | Task::Pause(plain) | Task::Resume(plain) | Task::Unlock(plain) => {
            plain.json
        }
        Task::Status(status) => status.json,
        Task::Inspect(words) => words.is_json(),
        Task::Up(_) | Task::Down { .. } | Task::Completions { .. } | Task::Man => false,
    }
}

async fn run(task: Task) -> Result<Answer, Failure> {
    match task {
        Task::Inspect(words) => cli::inspect::run(&words).await,
        Task::Plan { words, sql, json } => moves::plan(&words, sql, json).await,
        Task::Apply { words, plan, yes, json } => moves::apply(&words, plan, yes, json).await,
        Task::Verify { words, rows, json } => moves::verify(&words, rows, json).await,
        Task::Status(status) => of_status(&status).await,
        Task::Rollback { words, discard_renewed, json } => {
            moves::rollback(&words, discard_renewed, json).await
        }
        Task::Finalize(plain) => moves::finalize(&plain.words, plain.json).await,
        Task::Pause(plain) => moves::pause(&plain.words, plain.json).await,
        Task::Resume(plain) => moves::resume(&plain.words, plain.json).await,
        Task::Unlock(plain) => moves::unlock(&plain.words, plain.json).await,
        Task::Prune { words, yes, json } => cli::prune::run(&words, yes, json).await,
        Task::Up(target) => Ok(steps("applied", &session_migrate::up(&target.url).await?)),
        Task::Down { yes: false, .. } => {
            Err(Failure::usage("down drops every session; say --yes if that is meant"))
        }
        Task::Down { target, yes: true } => {
            Ok(steps("dropped", &session_migrate::down(&target.url).await?))
        }
        Task::Completions { shell } => Ok(printed(|out| {
            clap_complete::generate(shell, &mut Command::command(), "session-migrate", out);
        })),
        Task::Man => Ok(printed(|out| {
            // Into memory nothing fails.
            let _ = clap_mangen::Man::new(Command::command()).render(out);
        })),
    }
}

/// The moves of the target; and where only a target is named, the steps of its tables.
async fn of_status(status: &Status) -> Result<Answer, Failure> {
    let target = status.to.as_ref().or(status.from.as_ref());
    let target = target.ok_or_else(|| Failure::usage("give --from URL or --to URL"))?;
    if status.to.is_none() {
        // A source that is not there is a slip; a target may come to be later.
        let _ = session_migrate::source::connect_read_only(target).await?.close().await;
    }
    let mut answer = moves::status(target, status.json).await?;
    if status.from.is_none() && !status.json {
        let mut text = String::new();
        for step in session_migrate::status(target).await? {
            let word = if step.is_applied { "applied" } else { "pending" };
            text.push_str(&format!("{word} {}\n", step.name));
        }
        answer.text = format!("{text}{}", answer.text);
    }
    Ok(answer)
}

fn steps(what: &str, steps: &[String]) -> Answer {
    let lines: Vec<String> = steps.iter().map(|step| format!("{what} {step}")).collect();
    let text = if lines.is_empty() { "nothing to do".to_owned() } else { lines.join("\n") };
    Answer { text, is_good: true }
}

fn printed(print: impl FnOnce(&mut Vec<u8>)) -> Answer {
    let mut out = Vec::new();
    print(&mut out);
    Answer { text: String::from_utf8_lossy(&out).into_owned(), is_good: true }
}
