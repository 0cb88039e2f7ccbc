//! The steps of a scenario, and their reports.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use session_core::clock::{Clock as _, SystemClock};

use super::scenario::Scenario;
use super::step_error::StepError;

/// The timeout of a step, far longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What a step observed, or why it failed.
pub(super) type StepResult = Result<String, StepError>;

/// One step of the scenario.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) action: for<'w> fn(&'w mut Scenario) -> BoxFuture<'w, StepResult>,
}

/// The report on a step.
pub(super) enum StepReport {
    Held { millis: u128, seen: String },
    Failed { millis: u128, error: StepError },
    NotRun,
}

impl Step {
    pub(super) async fn run(&self, scenario: &mut Scenario) -> StepReport {
        let clock = SystemClock::new();
        let outcome = tokio::time::timeout(TIMEOUT, (self.action)(scenario)).await;
        let millis = clock.monotonic().as_millis();
        match outcome {
            Ok(Ok(seen)) => StepReport::Held { millis, seen },
            Ok(Err(error)) => StepReport::Failed { millis, error },
            Err(_) => StepReport::Failed { millis, error: StepError::new("it timed out") },
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.name).finish_non_exhaustive()
    }
}
