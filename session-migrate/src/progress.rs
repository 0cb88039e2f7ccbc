//! The progress of a move under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::journal::{Counts, FailbackCounts, Phase};
use crate::settings::Wait;

/// What a process does that does not carry a move on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// Reads and opens every row for a plan.
    Plan,
    /// Compares both sides.
    Verify,
    /// Writes renewed tokens back into the source.
    WriteBack,
    /// Removes the move's rows from the target.
    Remove,
}

impl Activity {
    /// Returns its name for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Verify => "verify",
            Self::WriteBack => "write back",
            Self::Remove => "remove",
        }
    }
}

/// The progress of a move, as its process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The current phase.
    pub phase: Phase,
    /// What this process does instead of carrying the move on. Then `read` and `expected` among the
    /// counts are those of the activity.
    pub activity: Option<Activity>,
    /// How many rows were processed so far, by all processes together.
    pub counts: Counts,
    /// How long this process has worked, without pauses.
    pub worked: Duration,
    /// Whether the move waits for `resume`.
    pub is_paused: bool,
    /// What the move waits for.
    pub waits_for: Option<Wait>,
    /// For how long writes to the source have been blocked by the cutover.
    pub blocked_for: Option<Duration>,
    /// How far a failback has come.
    pub failback: Option<FailbackCounts>,
}

impl Progress {
    pub(crate) const fn begin() -> Self {
        let counts = Counts {
            expected: 0,
            read: 0,
            moved: 0,
            pruned: 0,
            unreadable: 0,
            empty: 0,
            repaired: 0,
        };
        Self {
            phase: Phase::Load,
            activity: None,
            counts,
            worked: Duration::ZERO,
            is_paused: false,
            waits_for: None,
            blocked_for: None,
            failback: None,
        }
    }

    /// Returns the estimated time for the remaining rows, or `None` before the first row.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let (read, expected) = (self.counts.read, self.counts.expected);
        let left = expected.checked_sub(read)?;
        let each = self.worked.checked_div(u32::try_from(read).ok().filter(|read| *read > 0)?)?;
        each.checked_mul(u32::try_from(left).ok()?)
    }
}

/// Sends progress to all receivers; each sees the newest.
#[derive(Debug, Clone)]
pub(crate) struct ProgressSender(Arc<watch::Sender<Progress>>);

impl ProgressSender {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Progress::begin())))
    }

    /// Changes the progress, and sends it.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.0.send_modify(change);
    }

    /// Sends that an activity begins, which has so many rows.
    pub(crate) fn begin_activity(&self, activity: Activity, rows: u64) {
        self.update(|progress| {
            progress.activity = Some(activity);
            (progress.counts.read, progress.counts.expected) = (0, rows);
        });
    }

    /// Sends that an activity has dealt with more rows.
    pub(crate) fn add_rows(&self, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or(0);
        self.update(|progress| progress.counts.read += rows);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;
    use std::time::Duration;

    #[test]
    fn the_remaining_time_follows_from_the_pace() {
        let mut progress = Progress::begin();
        assert_eq!(progress.remaining(), None);
        progress.counts.expected = 300;
        progress.counts.read = 100;
        progress.worked = Duration::from_secs(10);
        assert_eq!(progress.remaining(), Some(Duration::from_secs(20)));
    }
}
