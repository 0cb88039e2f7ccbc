//! Sessions before the cutover of their migration: only the system that they come from renews them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::manager::peak::shrink_after_peak;
use crate::session::SessionId;

/// For how long a hold is remembered without asking the store again, which each request of the
/// session would do otherwise. The cutover takes effect that much later for it.
const REMEMBERED: Duration = Duration::from_secs(5);

/// From how many entries on the expired ones are swept out.
const MIN_SWEEP: usize = 1024;

/// Which sessions were found held a moment ago, each with the time until which that is believed.
#[derive(Debug, Default)]
pub(in crate::manager) struct MigrationHold {
    entries: Mutex<HoldEntries>,
}

#[derive(Debug, Default)]
struct HoldEntries {
    until: HashMap<SessionId, Duration>,
    sweep_at: usize,
}

impl MigrationHold {
    /// Returns for how long a session counts as held without asking the store.
    pub(in crate::manager) fn left(&self, id: SessionId, now: Duration) -> Option<Duration> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let left = entries.until.get(&id)?.saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }

    /// Notes that a session was found held, and returns for how long that is believed.
    pub(in crate::manager) fn note(&self, id: SessionId, now: Duration) -> Duration {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.until.len() >= entries.sweep_at.max(MIN_SWEEP) {
            entries.until.retain(|_, until| *until > now);
            shrink_after_peak(&mut entries.until);
            entries.sweep_at = entries.until.len().saturating_mul(2);
        }
        entries.until.insert(id, now.saturating_add(REMEMBERED));
        REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, MIN_SWEEP, MigrationHold, REMEMBERED};
    use crate::session::SessionId;
    use uuid::Uuid;

    #[test]
    fn a_hold_is_remembered_for_a_while_and_then_forgotten() {
        let (hold, now) = (MigrationHold::default(), Duration::from_secs(7));
        let id = |n: usize| SessionId::from_uuid(Uuid::from_u128(n as u128));
        assert_eq!(hold.note(id(1), now), REMEMBERED);
        assert_eq!(hold.left(id(1), now), Some(REMEMBERED));
        assert_eq!(hold.left(id(2), now), None);
        assert_eq!(hold.left(id(1), now + REMEMBERED), None);
        for n in 0..MIN_SWEEP * 3 {
            hold.note(id(n), now);
        }
        hold.note(id(MIN_SWEEP * 4), now + REMEMBERED * 2);
        for n in 0..MIN_SWEEP * 6 {
            hold.note(id(MIN_SWEEP * 5 + n), now + REMEMBERED * 2);
        }
        let kept = hold.entries.lock().unwrap().until.len();
        assert_eq!(kept, MIN_SWEEP * 6 + 1, "expired entries are swept out");
    }
}
