//! What has happened, for the checks at the end.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_core::SessionId;
use session_core::session::SecretDigest;

/// A sign-in that was confirmed to its user.
#[derive(Debug, Clone)]
pub(crate) struct Confirmed {
    pub(crate) id: SessionId,
    pub(crate) user: usize,
    pub(crate) digest: SecretDigest,
    /// The grant that its tokens derive from.
    pub(crate) grant: usize,
}

/// A refresh token that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) step: u64,
    pub(crate) node: usize,
    pub(crate) token: String,
}

/// Why a node may have to send a token again, or may not know what became of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause {
    pub(crate) step: u64,
    pub(crate) node: usize,
}

/// Everything that was seen. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Counts the scheduler's choices.
    pub(crate) step: u64,
    pub(crate) confirmed: Vec<Confirmed>,
    /// How many sign-ins of each user began, confirmed or not.
    pub(crate) sign_ins: HashMap<usize, usize>,
    /// The sessions that a request wanted to end.
    pub(crate) unwanted: HashSet<SessionId>,
    /// The sessions that a sign-in of the same browser takes the place of.
    pub(crate) superseded: HashSet<SessionId>,
    /// The sessions whose end was confirmed.
    pub(crate) ended: HashSet<SessionId>,
    /// The grant of each token, access and refresh.
    pub(crate) grants: HashMap<String, usize>,
    pub(crate) sent: Vec<Sent>,
    /// The number of the refresh token that each row was last seen with, and the row's revision.
    pub(crate) stored: HashMap<SessionId, (u64, u64)>,
    pub(crate) causes: Vec<Cause>,
    pub(crate) violations: Vec<String>,
    pub(crate) counts: Counts,
}

impl History {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records why a node may not know what became of the tokens that it has sent.
    pub(crate) fn cause(&self, node: usize) {
        let mut seen = self.lock();
        let step = seen.step;
        seen.causes.push(Cause { step, node });
    }

    pub(crate) fn violation(&self, text: String) {
        let mut seen = self.lock();
        let step = seen.step;
        seen.violations.push(format!("step {step}: {text}"));
    }
}

/// How often what happened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) sign_ins: usize,
    pub(crate) resolved: usize,
    pub(crate) tokens: usize,
    pub(crate) ends: usize,
    pub(crate) evictions: usize,
    pub(crate) renewals: usize,
    pub(crate) sent_again: usize,
    pub(crate) refused: usize,
    pub(crate) hung_up: usize,
    pub(crate) crashes: usize,
    pub(crate) freezes: usize,
    pub(crate) clock_steps: usize,
    pub(crate) store_faults: usize,
    pub(crate) lost_answers: usize,
}

impl Counts {
    fn fields(&mut self) -> [&mut usize; 14] {
        [
            &mut self.sign_ins,
            &mut self.resolved,
            &mut self.tokens,
            &mut self.ends,
            &mut self.evictions,
            &mut self.renewals,
            &mut self.sent_again,
            &mut self.refused,
            &mut self.hung_up,
            &mut self.crashes,
            &mut self.freezes,
            &mut self.clock_steps,
            &mut self.store_faults,
            &mut self.lost_answers,
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        for (mine, theirs) in self.fields().into_iter().zip(other.fields()) {
            *mine += *theirs;
        }
    }

    /// What never happened was not checked.
    pub(crate) fn assert_all_happened(&mut self) {
        let text = format!("{self:?}");
        assert!(self.fields().into_iter().all(|count| *count > 0), "{text}");
    }
}
