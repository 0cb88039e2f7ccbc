//! Work on many rows by two threads.

use std::sync::Arc;

use tokio::task::{JoinError, spawn_blocking};

/// Two threads decode and seal; reading and writing occupy the others.
const THREADS: usize = 2;

/// Passes each row to `work`, on two threads; the results keep the order of the rows.
///
/// # Errors
///
/// [`JoinError`] if the runtime is shutting down, or if `work` has panicked.
pub(crate) async fn in_parallel<R: Send + 'static, T: Send + 'static>(
    mut rows: Vec<R>,
    work: impl Fn(R) -> T + Send + Sync + 'static,
) -> Result<Vec<T>, JoinError> {
    let work = Arc::new(work);
    let size = rows.len().div_ceil(THREADS).max(1);
    let mut parts = Vec::new();
    while !rows.is_empty() {
        let rest = rows.split_off(size.min(rows.len()));
        let part = std::mem::replace(&mut rows, rest);
        let work = Arc::clone(&work);
        parts.push(spawn_blocking(move || {
            part.into_iter().map(|row| work(row)).collect::<Vec<T>>()
        }));
    }
    let mut done = Vec::new();
    for part in parts {
        done.extend(part.await?);
    }
    Ok(done)
}
