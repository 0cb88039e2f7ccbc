//! Killing a server that is not this process's child.

use crate::error::BenchError;

/// Sends SIGKILL to a process.
pub(crate) async fn kill(process: &str) -> Result<(), BenchError> {
    let sent = tokio::process::Command::new("kill").args(["-KILL", process]).status().await;
    match sent.map_err(BenchError::because("cannot run kill"))?.success() {
        true => Ok(()),
        false => Err(BenchError::new("a server cannot be killed")),
    }
}
