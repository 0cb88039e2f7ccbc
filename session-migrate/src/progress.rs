//! What a move tells while it is under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::journal::{Counts, Phase};

/// How far a move is, as its process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is done now.
    pub phase: Phase,
    /// How much was done so far, over all processes.
    pub counts: Counts,
    /// For how long this process has worked, without pauses.
    pub worked: Duration,
    /// Whether it waits for `resume`.
    pub is_paused: bool,
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
        Self { phase: Phase::Fill, counts, worked: Duration::ZERO, is_paused: false }
    }

    /// How long the rest takes at the pace so far, if that can be said.
    #[must_use]
    pub fn rest(&self) -> Option<Duration> {
        let (read, expected) = (self.counts.read, self.counts.expected);
        let left = expected.checked_sub(read)?;
        let each = self.worked.checked_div(u32::try_from(read).ok().filter(|read| *read > 0)?)?;
        each.checked_mul(u32::try_from(left).ok()?)
    }
}

/// Where progress is told; whoever listens gets the newest.
#[derive(Debug, Clone)]
pub(crate) struct Teller(Arc<watch::Sender<Progress>>);

impl Teller {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Progress::begin())))
    }

    pub(crate) fn tell(&self, progress: Progress) {
        self.0.send_replace(progress);
    }

    pub(crate) fn listen(&self) -> watch::Receiver<Progress> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;
    use std::time::Duration;

    #[test]
    fn the_rest_is_told_from_the_pace() {
        let mut progress = Progress::begin();
        assert_eq!(progress.rest(), None);
        progress.counts.expected = 300;
        progress.counts.read = 100;
        progress.worked = Duration::from_secs(10);
        assert_eq!(progress.rest(), Some(Duration::from_secs(20)));
    }
}
