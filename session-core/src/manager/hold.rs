//! Sessions whose move is not switched yet: only the system that they come from renews them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::session::SessionId;

/// For how long a session that was found held is not looked at again: each of its requests would
/// else ask the store, and the switch is that much later for it.
const REMEMBERED: Duration = Duration::from_secs(5);

/// From how many notes on the old ones are swept out.
const FEW: usize = 1024;

/// Which sessions were found held a moment ago, each until when that is believed.
#[derive(Debug, Default)]
pub(super) struct Holds {
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    until: HashMap<SessionId, Duration>,
    sweep_at: usize,
}

impl Holds {
    /// For how long a session counts as held without a look at the store.
    pub(super) fn left(&self, id: SessionId, now: Duration) -> Option<Duration> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let left = notes.until.get(&id)?.saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }

    /// Notes that a session was found held; gives for how long that is believed.
    pub(super) fn note(&self, id: SessionId, now: Duration) -> Duration {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.until.len() >= notes.sweep_at.max(FEW) {
            notes.until.retain(|_, until| *until > now);
            notes.sweep_at = notes.until.len().saturating_mul(2);
        }
        notes.until.insert(id, now.saturating_add(REMEMBERED));
        REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, FEW, Holds, REMEMBERED};
    use crate::session::SessionId;
    use uuid::Uuid;

    #[test]
    fn a_hold_is_remembered_for_a_while_and_then_forgotten() {
        let (holds, now) = (Holds::default(), Duration::from_secs(7));
        let id = |n: usize| SessionId::from_uuid(Uuid::from_u128(n as u128));
        assert_eq!(holds.note(id(1), now), REMEMBERED);
        assert_eq!(holds.left(id(1), now), Some(REMEMBERED));
        assert_eq!(holds.left(id(2), now), None);
        assert_eq!(holds.left(id(1), now + REMEMBERED), None);
        for n in 0..FEW * 3 {
            holds.note(id(n), now);
        }
        holds.note(id(FEW * 4), now + REMEMBERED * 2);
        for n in 0..FEW * 6 {
            holds.note(id(FEW * 5 + n), now + REMEMBERED * 2);
        }
        let kept = holds.notes.lock().unwrap().until.len();
        assert_eq!(kept, FEW * 6 + 1, "what nobody believes any more is swept out");
    }
}
