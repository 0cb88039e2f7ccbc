//! The command `session-migrate`.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a command speaks to its terminal")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[path = "../cli/mod.rs"]
mod cli;

use cli::args::{BackArgs, MoveArgs, PaceArgs};
use cli::error::CliError;
use cli::inspect::InspectArgs;
use cli::prune::PruneArgs;
use cli::{CommandOutput, moves};

/// Moves a database that keeps one session per user to many sessions per user, and manages the
/// tables of session-core.
///
/// Keys come from the environment, or from files that it names. SESSION_MIGRATE_SOURCE_KEY (or
/// …_FILE) and SESSION_MIGRATE_SOURCE_OLD_KEYS open the tokens of the source. SESSION_KEYS (or
/// …_FILE; id:base64 of 32 bytes, separated by commas) seals them in the target.
///
/// Exit codes: 0 success, 1 failure or a difference, 2 wrong arguments, 3 quarantined rows (with
/// --strict).
#[derive(Debug, Parser)]
#[command(name = "session-migrate", version, arg_required_else_help = true)]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Recognises the schema of a database and counts its rows; writes nothing.
    Inspect(InspectArgs),
    /// Plans a move: shows what `apply` would do; writes nothing.
    Plan {
        #[command(flatten)]
        args: MoveArgs,
        /// Prints every statement that `apply` would run.
        #[arg(long)]
        sql: bool,
        /// Ends with exit code 3 if rows would be quarantined.
        #[arg(long)]
        strict: bool,
    },
    /// Applies a move; continues where an earlier run stopped.
    Apply {
        #[command(flatten)]
        args: MoveArgs,
        #[command(flatten)]
        pace: PaceArgs,
        /// The digest of the reviewed plan. Nothing is written if the plan has changed since.
        #[arg(long, value_name = "DIGEST", conflicts_with = "yes")]
        plan: Option<String>,
        /// Applies without a reviewed plan.
        #[arg(long)]
        yes: bool,
        /// Ends with exit code 3 if rows were quarantined.
        #[arg(long, conflicts_with = "failback")]
        strict: bool,
        /// Goes on with `failback` after the cutover.
        #[arg(long)]
        failback: bool,
    },
    /// Keeps the source current after the cutover, so that a rollback loses nothing: writes renewed
    /// tokens, new sessions and ends into it. Goes on until it is stopped, or the move is finalized or
    /// rolled back.
    Failback {
        #[command(flatten)]
        args: MoveArgs,
        /// Ends when the source has every change so far.
        #[arg(long)]
        once: bool,
    },
    /// Verifies a move: compares source and target row by row; writes nothing.
    Verify {
        #[command(flatten)]
        args: MoveArgs,
        /// Lists every row. A key can be a cookie: the list is as confidential as the source.
        #[arg(long)]
        rows: bool,
        /// Ends with exit code 3 if rows are quarantined.
        #[arg(long)]
        strict: bool,
    },
    /// Shows the progress of each move and which migrations are applied; writes nothing.
    Status(StatusArgs),
    /// Rolls a move back, and writes renewed tokens back into the source. Removes nothing if some
    /// cannot be written back.
    Rollback(BackArgs),
    /// Takes a move back to the start from any state: one that was interrupted, half of a rollback, or
    /// none. After the cutover it does what `rollback` does.
    Abort(BackArgs),
    /// Finalizes a move: from then on the source is unused and rollback is impossible.
    Finalize {
        #[command(flatten)]
        args: MoveArgs,
        /// Confirms the command, which asks otherwise.
        #[arg(long)]
        yes: bool,
    },
    /// Pauses a move after the batch in progress.
    Pause(MoveArgs),
    /// Resumes a paused move, in this process if no other works on it.
    Resume {
        #[command(flatten)]
        args: MoveArgs,
        /// Changes a setting of the move, such as batch=500 or max-load=20; without a value it is unset.
        #[arg(long, value_name = "NAME=VALUE")]
        set: Vec<String>,
    },
    /// Releases the lock of a process that hangs.
    Unlock(MoveArgs),
    /// Lets the old application write to a source again, whose target may be gone; shows the moves
    /// that blocked it.
    Unblock(UnblockArgs),
    /// Prunes tables that keep their own layout: enforces a cap in place.
    Prune(PruneArgs),
    /// Creates the tables, or applies the migrations that are pending.
    Up(TargetArgs),
    /// Drops the tables, which signs every user out. Refused while a move is on record.
    Down {
        #[command(flatten)]
        target: TargetArgs,
        /// Confirms that every session is to be dropped.
        #[arg(long)]
        yes: bool,
    },
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints the manual page of the command, or of one of its tasks.
    Man {
        /// The task, such as `apply`.
        task: Option<String>,
        /// Writes the pages of the command and of all tasks into a directory.
        #[arg(long, value_name = "DIRECTORY", conflicts_with = "task")]
        into: Option<PathBuf>,
    },
    /// Prints a fresh entry for SESSION_KEYS, with a random key.
    Key {
        /// The key's id, which another key of the same ring must not have [default: a random one].
        id: Option<String>,
    },
}

#[derive(Args)]
struct StatusArgs {
    /// The address of the source, if the target is the same database.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// The address of the target [default: --from, or else the environment's DATABASE_URL].
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Prints a report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct UnblockArgs {
    /// The address of the source: sqlite://FILE, postgres://… or mysql://…
    #[arg(long, value_name = "URL")]
    from: String,
    /// The address of the target, if it is there and not the source. Of a move that is on record in
    /// neither, the change log is removed as well.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Confirms the command, which asks otherwise.
    #[arg(long)]
    yes: bool,
    /// Prints a report as JSON.
    #[arg(long)]
    json: bool,
}

/// Leaves out the address, which can contain a password.
impl std::fmt::Debug for UnblockArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnblockArgs(..)")
    }
}

#[derive(Args)]
struct TargetArgs {
    /// The address of the database: sqlite://FILE, postgres://… or mysql://…
    #[arg(long = "to", value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    url: String,
}

/// Leaves out the address, which can contain a password.
impl std::fmt::Debug for TargetArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TargetArgs(..)")
    }
}

/// Leaves out the addresses, which can contain passwords.
impl std::fmt::Debug for StatusArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StatusArgs(..)")
    }
}

/// How many threads drive connections, and how many decrypt and seal. The allocator keeps memory for
/// each thread, and more of them do not make a move faster.
const THREADS: usize = 2;
const MAX_BLOCKING_THREADS: usize = 4;

fn main() -> ExitCode {
    let task = Command::parse().task;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(THREADS).max_blocking_threads(MAX_BLOCKING_THREADS).enable_all();
    match runtime.build() {
        Ok(runtime) => runtime.block_on(exit_code(task)),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn exit_code(task: Task) -> ExitCode {
    let is_json = is_json(&task);
    match Box::pin(run(task)).await {
        Ok(outcome) => {
            print(outcome.text.trim_end());
            ExitCode::from(outcome.exit_code())
        }
        Err(error) => {
            if !error.message().is_empty() {
                if is_json {
                    print(&error.to_json());
                }
                eprintln!("error: {}", error.message());
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Prints a text, if there is one. A reader that has closed its end has seen enough.
fn print(text: &str) {
    if !text.is_empty() {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

const fn is_json(task: &Task) -> bool {
    match task {
        Task::Plan { args, .. }
        | Task::Apply { args, .. }
        | Task::Verify { args, .. }
        | Task::Rollback(BackArgs { args, .. })
        | Task::Abort(BackArgs { args, .. })
        | Task::Failback { args, .. }
        | Task::Finalize { args, .. }
        | Task::Resume { args, .. }
        | Task::Pause(args)
        | Task::Unlock(args) => args.json,
        Task::Prune(args) => args.json,
        Task::Status(args) => args.json,
        Task::Unblock(args) => args.json,
        Task::Inspect(args) => args.json,
        Task::Up(_)
        | Task::Down { .. }
        | Task::Completions { .. }
        | Task::Man { .. }
        | Task::Key { .. } => false,
    }
}

async fn run(task: Task) -> Result<CommandOutput, CliError> {
    match task {
        Task::Inspect(args) => cli::inspect::run(&args).await,
        Task::Plan { args, sql, strict } => moves::plan(&args, sql, strict).await,
        Task::Apply { args, pace, plan, yes, strict, failback } => {
            moves::apply((&args, &pace), plan, yes, (strict, failback)).await
        }
        Task::Failback { args, once } => moves::failback(&args, once).await,
        Task::Verify { args, rows, strict } => moves::verify(&args, rows, strict).await,
        Task::Status(args) => {
            moves::status(args.from.as_deref(), args.to.as_deref(), args.json).await
        }
        Task::Rollback(args) => moves::rollback(&args, false).await,
        Task::Abort(args) => moves::rollback(&args, true).await,
        Task::Finalize { args, yes } => moves::finalize(&args, yes).await,
        Task::Pause(args) => moves::pause(&args).await,
        Task::Resume { args, set } => moves::resume(&args, &set).await,
        Task::Unlock(args) => moves::unlock(&args).await,
        Task::Unblock(args) => {
            moves::unblock(&args.from, args.to.as_deref(), (args.yes, args.json)).await
        }
        Task::Prune(args) => cli::prune::run(&args).await,
        Task::Up(target) => moves::up(&target.url).await,
        Task::Down { target, yes } => moves::down(&target.url, yes).await,
        Task::Completions { shell } => Ok(generated(|out| {
            clap_complete::generate(shell, &mut Command::command(), "session-migrate", out);
        })),
        Task::Man { into: Some(directory), .. } => {
            cli::manual::pages(Command::command(), &directory)
        }
        Task::Man { task, into: None } => cli::manual::page(Command::command(), task.as_deref()),
        Task::Key { id } => cli::key::fresh(id.as_deref()),
    }
}

fn generated(write: impl FnOnce(&mut Vec<u8>)) -> CommandOutput {
    let mut out = Vec::new();
    write(&mut out);
    CommandOutput::success(String::from_utf8_lossy(&out).into_owned())
}
