//! Repeats attempts that met another transaction or a dead connection.

use std::future::Future;
use std::time::Duration;

use super::attempt_error::{AttemptError, Remedy};
use super::store::SeaOrmStore;
use crate::store::{StoreError, StoreErrorKind};

/// How often an attempt that met another transaction is repeated.
const MAX_REPETITIONS: u32 = 24;

/// How many of these a repetition costs that has waited for a lock as long as the server allows.
const LONG_WAIT_COST: u32 = 8;

const MIN_PAUSE: Duration = Duration::from_millis(2);
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// What an attempt must know of the attempts before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// Whether one of them may have taken its effect: its outcome is unknown.
    pub(super) is_uncertain: bool,
    /// How many of them met another transaction.
    #[cfg_attr(
        not(feature = "postgres"),
        allow(dead_code, reason = "only PostgreSQL has a second way to admit")
    )]
    pub(super) conflicts: u32,
}

impl SeaOrmStore {
    /// Runs attempts until one succeeds, or until a repetition does not help.
    ///
    /// Every dead connection costs one attempt and leaves the pool, so that a pool full of dead
    /// connections is empty after as many attempts as it may hold connections.
    pub(super) async fn repeat<T, F>(
        &self,
        attempt: impl Fn(Attempt) -> F + Send + Sync,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, AttemptError>> + Send,
    {
        let (mut is_uncertain, mut conflicts) = (false, 0);
        let mut repetitions = MAX_REPETITIONS;
        let mut connections = self.max_connections();
        let mut pause = MIN_PAUSE;
        loop {
            let failure = match attempt(Attempt { is_uncertain, conflicts }).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            is_uncertain |= failure.is_uncertain;
            let left = match failure.remedy {
                Remedy::AnotherConnection => &mut connections,
                Remedy::None => return Err(failure.error),
                Remedy::Repeat | Remedy::RepeatAfterLongWait => &mut repetitions,
            };
            let waited_long = failure.remedy == Remedy::RepeatAfterLongWait;
            let cost = if waited_long { LONG_WAIT_COST } else { 1 };
            match left.checked_sub(cost) {
                Some(rest) => *left = rest,
                None => return Err(failure.error),
            }
            if failure.remedy != Remedy::AnotherConnection {
                conflicts += 1;
                tokio::time::sleep(jittered(pause)?).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}

/// Returns a random time between half and all of the pause, so that transactions that met do not
/// meet again.
fn jittered(pause: Duration) -> Result<Duration, StoreError> {
    let random = getrandom::u32()
        .map_err(|error| StoreError::new(StoreErrorKind::Unavailable).caused_by(error))?;
    let half = pause / 2;
    Ok(half + half.mul_f64(f64::from(random) / f64::from(u32::MAX)))
}
