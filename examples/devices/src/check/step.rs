//! One line of the table.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use session_core::clock::{Clock as _, SystemClock};

use super::problem::Problem;
use super::world::World;

/// No step takes nearly as long, on however busy a machine.
const LONGEST: Duration = Duration::from_secs(120);

/// What was seen where a step held, or what did not hold.
pub(super) type Outcome = Result<String, Problem>;

/// One step of the story.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) run: for<'w> fn(&'w mut World) -> BoxFuture<'w, Outcome>,
}

/// What became of a step.
pub(super) enum Played {
    Held { millis: u128, seen: String },
    Failed { millis: u128, problem: Problem },
    NotRun,
}

impl Step {
    pub(super) async fn play(&self, world: &mut World) -> Played {
        let clock = SystemClock::new();
        let outcome = tokio::time::timeout(LONGEST, (self.run)(world)).await;
        let millis = clock.monotonic().as_millis();
        match outcome {
            Ok(Ok(seen)) => Played::Held { millis, seen },
            Ok(Err(problem)) => Played::Failed { millis, problem },
            Err(_) => Played::Failed { millis, problem: Problem::new("it came to no end") },
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.name).finish_non_exhaustive()
    }
}
