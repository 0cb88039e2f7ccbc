//! Stops a move at a signal: the first one after the batch in progress, the second at once.

use session_migrate::{MigrateError, Move};

use super::error::CliError;

/// Runs the work. Ctrl-C and SIGTERM stop it after the batch in progress, so that nothing is left
/// half done; the source is unblocked if the cutover is not over. The next signal ends the process.
pub(crate) async fn stoppable<T>(
    moving: &Move,
    work: impl Future<Output = Result<T, MigrateError>>,
) -> Result<T, CliError> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return Ok(done?),
        () = signal() => {}
    }
    eprintln!("stopping after the batch in progress; a second signal ends at once");
    moving.cancellation().cancel();
    tokio::select! {
        done = &mut work => Ok(done?),
        () = signal() => std::process::exit(1),
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};

    // Without a handler the signal ends the process, as it does by default.
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
