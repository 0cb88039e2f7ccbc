//! Holds a move up between batches, as its settings say.

use std::time::Duration;

use super::context::MoveContext;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::settings::{OnThrottleTimeout, Wait};
use crate::throttle::{Replicas, hold_up, require_replica};

/// How often it is measured whether the move may go on.
const INTERVAL: Duration = Duration::from_millis(500);

/// What one process knows of what holds it up; all times are of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    replicas: Option<Replicas>,
    measured_at: Option<Duration>,
    held_up_since: Option<Duration>,
}

impl Throttle {
    /// Returns what holds the move up; `None` if nothing does, or if it was measured a moment ago.
    pub(super) async fn check(
        &mut self,
        context: &MoveContext,
    ) -> Result<Option<Wait>, MigrateError> {
        let (settings, now) = (context.settings(), context.clock().monotonic());
        let is_recent = |at: Duration| now.saturating_sub(at) < INTERVAL;
        let is_held_up = self.held_up_since.is_some();
        if !settings.is_throttled() || !is_held_up && self.measured_at.is_some_and(is_recent) {
            return Ok(None);
        }
        self.measured_at = Some(now);
        require_replica(&settings, &context.options.replicas)?;
        let replicas = match self.replicas.take() {
            Some(replicas) => replicas,
            None => Replicas::open(&context.options.replicas).await?,
        };
        let wait = hold_up(&settings, &context.source, &replicas).await;
        self.replicas = Some(replicas);
        let Some(wait) = wait? else {
            self.held_up_since = None;
            return Ok(None);
        };
        let since = *self.held_up_since.get_or_insert(now);
        let timeout = settings.throttle_timeout.map(Duration::from_secs);
        if timeout.is_none_or(|timeout| now.saturating_sub(since) < timeout) {
            return Ok(Some(wait));
        }
        match settings.on_throttle_timeout {
            OnThrottleTimeout::GoOn => Ok(None),
            OnThrottleTimeout::Stop => Err(MigrateError::because(
                MigrateErrorKind::Throttled,
                format!("it waited {}", wait.as_str()),
            )),
        }
    }
}
