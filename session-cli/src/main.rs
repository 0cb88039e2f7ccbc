//! The command `sessions`, for operators of a service whose sessions are kept by session-core.

mod arguments;
mod commands;
mod error;
mod output;
mod store;

use std::process::ExitCode;
use std::time::Duration;

use arguments::{Arguments, Task};
use error::CliError;
use output::Output;
use store::OpenStore;

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .init();
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let is_json = arguments.json;
    match Box::pin(run(arguments)).await {
        Ok(output) => {
            output.print(is_json);
            output.exit_code()
        }
        Err(error) => {
            error.print(is_json);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Output, CliError> {
    let Arguments { database, keys, provider, json, task } = arguments;
    let open = OpenStore::open(&database).await?;
    if let Task::Doctor = task {
        return commands::doctor(&open, &database, keys.as_ref()).await;
    }
    if provider.is_empty() && matches!(task, Task::Revoke { .. }) {
        return Err(CliError::NoProvider);
    }
    let retention = match task {
        Task::Purge { older_than } => Some(DAY * older_than),
        _ => None,
    };
    let manager = open.manager(keys.as_ref(), &provider, retention).await?;
    match task {
        Task::List { user } => commands::list(&manager, &user).await,
        Task::End { user, session, actor } => {
            commands::end_one(&manager, &user, session, actor.into_actor()).await
        }
        Task::EndAll { user, of, actor } => {
            commands::end_all(&manager, &user, of.as_ref(), actor.into_actor()).await
        }
        Task::History { user, days, limit } => {
            commands::history(&open, &user, DAY * days, limit).await
        }
        Task::Stats => commands::stats(&open, &manager).await,
        Task::Purge { .. } => commands::purge(&manager).await,
        Task::Reseal => {
            let first = store::keyring(keys.as_ref())?;
            commands::reseal(&open, &manager, first.sealing_key_id(), json).await
        }
        Task::Revoke { limit } => commands::revoke(&manager, limit).await,
        Task::Doctor => commands::doctor(&open, &database, keys.as_ref()).await,
    }
}
