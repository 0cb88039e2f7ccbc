//! Repeating what another transaction was in the way of, or what met a dead connection.

use std::future::Future;
use std::time::Duration;

use super::SeaOrmStore;
use super::failure::{Failure, Remedy};
use crate::store::{StoreError, StoreErrorKind};

/// How often a transaction that others were in the way of is repeated.
const PATIENCE: u32 = 24;

/// How much of that a repetition costs which has waited for a lock as long as it may.
const LONG_WAIT: u32 = 8;

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What an attempt must know of those before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// Whether one before it may have taken its effect: its answer was lost.
    pub(super) is_uncertain: bool,
}

impl SeaOrmStore {
    /// Attempts something until it succeeds, or repeating does not help.
    ///
    /// Every dead connection costs one attempt and leaves the pool, so that a pool full of them is
    /// used up after as many.
    pub(super) async fn repeat<T, F>(
        &self,
        attempt: impl Fn(Attempt) -> F + Send + Sync,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let mut is_uncertain = false;
        let mut patience = PATIENCE;
        let mut connections = self.most_connections();
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match attempt(Attempt { is_uncertain }).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            is_uncertain |= failure.is_uncertain;
            let left = match failure.remedy {
                Remedy::AnotherConnection => &mut connections,
                Remedy::None => return Err(failure.error),
                Remedy::Repeat | Remedy::RepeatAfterLongWait => &mut patience,
            };
            let cost = if failure.remedy == Remedy::RepeatAfterLongWait { LONG_WAIT } else { 1 };
            match left.checked_sub(cost) {
                Some(rest) => *left = rest,
                None => return Err(failure.error),
            }
            if failure.remedy != Remedy::AnotherConnection {
                tokio::time::sleep(jittered(pause)?).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Between half and all of the pause, so that those who met do not meet again.
fn jittered(pause: Duration) -> Result<Duration, StoreError> {
    let random = getrandom::u32()
        .map_err(|error| StoreError::new(StoreErrorKind::Unavailable).caused_by(error))?;
    let half = pause / 2;
    Ok(half + half.mul_f64(f64::from(random) / f64::from(u32::MAX)))
}
