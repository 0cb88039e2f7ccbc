//! What one process does, step by step. Between two steps the others act.

use super::provider::{Answer, Request};
use super::store::{EndReason, Lease, Row};
use super::{Flaw, LIFETIME, Renewal, State, TERM, TIMEOUT, Token};

/// A process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    /// Where its renewal is.
    pub(crate) step: Step,
    /// Whether it runs.
    pub(crate) pause: Pause,
}

/// Whether a process runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Pause {
    /// It does.
    #[default]
    Running,
    /// It was stopped (SIGSTOP): its clocks go on.
    Frozen,
    /// Its machine is suspended: its monotonic clock stands still.
    Suspended,
}

/// Where a renewal is (`renewal/task.rs`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// None is in progress.
    #[default]
    Idle,
    /// Before a row is read (`RenewalAttempt::read`).
    Reading,
    /// While another process has the lease (`wait_for_lease`).
    Waiting { seen: Lease, still: u8, revision: u8 },
    /// Before a claim (`ClaimableLease::claim`).
    Claimable { seen: Option<Lease>, is_taken_over: bool },
    /// Under the lease, before the last check raises the heartbeat (`HeldLease::can_send`).
    Held(Work),
    /// In the last check, after the heartbeat: what has passed on both clocks since before it.
    Raised { work: Work, monotonic: u8, wall: u8 },
    /// After the last check, before the request is sent.
    Checked(Work),
    /// While the provider is asked (`answer_within`, `late_answer`).
    Asking { work: Work, waited: u8, answer: Option<Answer> },
    /// Before a write; `stored` is the token of the row as it was read (`persist::write`).
    Persisting { work: Work, fetched: Token, stored: Option<Token> },
    /// After a write that met another revision (`persist::read_again`).
    Rereading { work: Work, fetched: Token },
    /// The session is over, and the fetched token is to be revoked (`persist::discard`).
    Discarding { work: Work, fetched: Token },
    /// The token was refused, and a former owner may still write (`outwait_former_owner`).
    Outwaiting { work: Work, unchanged: u8, revision: u8 },
    /// The token was refused, and the row is read again (`refusal::refused`).
    Refused(Work),
    /// Before the end (`refusal::end_refused`).
    Ending { work: Work, revision: u8 },
}

/// A lease that is held, and the row as the claim returned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Work {
    pub(crate) lease: Lease,
    pub(crate) was_taken_over: bool,
    pub(crate) token: Token,
    pub(crate) revision: u8,
}

impl Step {
    /// Returns the work under a lease.
    pub(crate) const fn work(&self) -> Option<&Work> {
        match self {
            Self::Idle | Self::Reading | Self::Waiting { .. } | Self::Claimable { .. } => None,
            Self::Held(work) | Self::Checked(work) | Self::Refused(work) => Some(work),
            Self::Raised { work, .. }
            | Self::Asking { work, .. }
            | Self::Persisting { work, .. }
            | Self::Rereading { work, .. }
            | Self::Discarding { work, .. }
            | Self::Outwaiting { work, .. }
            | Self::Ending { work, .. } => Some(work),
        }
    }

    /// Returns the token that was, or is about to be, sent after the last check.
    pub(crate) const fn token_after_last_check(&self) -> Option<Token> {
        match self {
            Self::Held(_) | Self::Raised { .. } => None,
            other => match other.work() {
                Some(work) => Some(work.token),
                None => None,
            },
        }
    }
}

impl Process {
    /// Returns whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        self.pause == Pause::Running
    }

    /// Returns whether it acts before time passes.
    pub(crate) fn acts_now(&self) -> bool {
        let waits = match self.step {
            Step::Idle | Step::Waiting { .. } | Step::Outwaiting { .. } => true,
            Step::Asking { waited, answer, .. } => answer.is_none() && waited < TERM,
            _ => false,
        };
        self.is_running() && !waits
    }

    /// Returns whether its next step writes renewed tokens.
    pub(crate) fn can_write(&self, row: &Row) -> bool {
        let is_match = |work: &Work| row.is_live() && row.revision == work.revision;
        match &self.step {
            Step::Persisting { work, stored, .. } => {
                self.is_running() && *stored == Some(work.token) && is_match(work)
            }
            _ => false,
        }
    }
}

impl Renewal {
    /// Returns the wall clock of a process.
    fn now(&self, state: &State, at: usize) -> u8 {
        state.time + self.ahead[at]
    }

    /// `RenewalAttempt::is_needed`
    fn is_needed(&self, state: &State, at: usize) -> bool {
        state.row.is_live() && self.now(state, at) >= state.row.expires_at
    }

    pub(crate) fn has_step(&self, state: &State, at: usize) -> bool {
        match state.processes[at].step {
            Step::Idle => state.left.claims > 0 && self.is_needed(state, at),
            _ => state.processes[at].acts_now(),
        }
    }

    pub(crate) fn step(&self, state: &mut State, at: usize) {
        let next = match state.processes[at].step {
            // `task::run` claims a lease before it reads.
            Step::Idle => Step::Claimable { seen: None, is_taken_over: false },
            Step::Reading => self.read(state, at),
            Step::Claimable { seen, is_taken_over } => self.claim(state, at, seen, is_taken_over),
            Step::Held(work) => self.raise(state, work),
            Step::Raised { work, monotonic, wall } => self.check(state, work, monotonic, wall),
            Step::Checked(work) => send(state, at, work),
            Step::Asking { work, answer, .. } => conclude(state, work, answer),
            Step::Persisting { work, fetched, stored } => {
                self.write(state, at, work, fetched, stored)
            }
            Step::Rereading { work, fetched } => read_again(state, work, fetched),
            Step::Discarding { work, fetched } => {
                state.row.outbox = state.row.outbox.max(Some(fetched));
                released(state, work)
            }
            Step::Refused(work) => refused(state, work),
            Step::Ending { work, revision } => end_refused(state, work, revision),
            waiting @ (Step::Waiting { .. } | Step::Outwaiting { .. }) => waiting,
        };
        state.processes[at].step = next;
    }

    /// `RenewalAttempt::read`, and the beginning of `wait_for_lease`
    fn read(&self, state: &State, at: usize) -> Step {
        let revision = state.row.revision;
        match state.row.lease {
            _ if !self.is_needed(state, at) => Step::Idle,
            None => Step::Claimable { seen: None, is_taken_over: false },
            Some(seen) if self.flaw == Some(Flaw::TakesOverAtOnce) => {
                Step::Claimable { seen: Some(seen), is_taken_over: true }
            }
            Some(seen) => Step::Waiting { seen, still: 0, revision },
        }
    }

    /// `ClaimableLease::claim`, and the beginning of `task::renew`
    fn claim(
        &self,
        state: &mut State,
        at: usize,
        seen: Option<Lease>,
        was_taken_over: bool,
    ) -> Step {
        let Some(left) = state.left.claims.checked_sub(1) else { return Step::Idle };
        let lease = Lease { owner: left, heartbeat: 0 };
        if !state.row.claim_lease(seen, lease) {
            return Step::Reading;
        }
        state.left.claims = left;
        let needed = self.is_needed(state, at);
        let Some(token) = state.row.refresh_token.filter(|_| needed) else {
            state.row.release_lease(lease.owner);
            return Step::Idle;
        };
        Step::Held(Work { lease, was_taken_over, token, revision: state.row.revision })
    }

    /// The first half of `HeldLease::can_send`
    fn raise(&self, state: &mut State, mut work: Work) -> Step {
        if self.flaw == Some(Flaw::SkipsLastCheck) {
            return Step::Checked(work);
        }
        if !raised(state, &mut work) {
            return lost(state, work);
        }
        Step::Raised { work, monotonic: 0, wall: 0 }
    }

    /// The second half of `HeldLease::can_send`
    fn check(&self, state: &mut State, work: Work, monotonic: u8, wall: u8) -> Step {
        let passed = match self.flaw {
            Some(Flaw::TrustsMonotonicClock) => monotonic,
            _ => monotonic.max(wall),
        };
        match TERM.saturating_sub(passed) > TIMEOUT {
            true => Step::Checked(work),
            false => lost(state, work),
        }
    }

    /// `persist::write`
    fn write(
        &self,
        state: &mut State,
        at: usize,
        work: Work,
        fetched: Token,
        stored: Option<Token>,
    ) -> Step {
        let is_blind = self.flaw == Some(Flaw::IgnoresRevision);
        if stored != Some(work.token) && !is_blind {
            // Overtaken: the row holds another process's new tokens.
            return released(state, work);
        }
        let is_match = state.row.revision == work.revision || is_blind;
        if !state.row.is_live() || !is_match {
            return Step::Rereading { work, fetched };
        }
        state.history.has_overwritten |= state.row.refresh_token > Some(fetched);
        let expires_at = self.now(state, at) + LIFETIME;
        state.row.write_tokens(fetched, expires_at, work.lease.owner);
        Step::Idle
    }

    pub(crate) fn lose_write(&self, state: &mut State, at: usize) {
        state.left.lost_writes -= 1;
        let before = state.processes[at].step;
        self.step(state, at);
        state.processes[at].step = before;
    }
}

/// `HeldLease::raise`
pub(crate) fn raised(state: &mut State, work: &mut Work) -> bool {
    let is_raised = state.row.heartbeat(work.lease);
    if is_raised {
        work.lease.heartbeat += 1;
    }
    is_raised
}

/// The end of `task::renew_under` where nothing was sent: a lease that was taken over stays, since its
/// former owner may still write.
fn lost(state: &mut State, work: Work) -> Step {
    if !work.was_taken_over {
        state.row.release_lease(work.lease.owner);
    }
    Step::Reading
}

/// The end of `task::renew_under` where the outcome is known.
pub(crate) fn released(state: &mut State, work: Work) -> Step {
    state.row.release_lease(work.lease.owner);
    Step::Idle
}

/// `Provider::renew`
fn send(state: &mut State, at: usize, work: Work) -> Step {
    let bit = 1 << work.token;
    let is_again = state.history.sent & bit != 0;
    state.history.sent |= bit;
    state.history.has_resent |= is_again;
    state.history.has_resent_unexcused |= is_again && state.history.excused & bit == 0;
    state.provider.requests[at] = Some(Request { token: work.token, owner: work.lease.owner });
    Step::Asking { work, waited: 0, answer: None }
}

/// `task::conclude`; without an answer the lease is kept, so that the next process watches it.
fn conclude(state: &mut State, work: Work, answer: Option<Answer>) -> Step {
    match answer {
        Some(Answer::Rotated(fetched)) => {
            Step::Persisting { work, fetched, stored: Some(work.token) }
        }
        Some(Answer::Refused) if work.was_taken_over => {
            Step::Outwaiting { work, unchanged: 0, revision: work.revision }
        }
        Some(Answer::Refused) => Step::Refused(work),
        None => {
            state.excuse(work.token);
            Step::Idle
        }
    }
}

/// `persist::read_again`
fn read_again(state: &State, work: Work, fetched: Token) -> Step {
    if !state.row.is_live() {
        return Step::Discarding { work, fetched };
    }
    let work = Work { revision: state.row.revision, ..work };
    Step::Persisting { work, fetched, stored: state.row.refresh_token }
}

/// `refusal::refused`
fn refused(state: &mut State, mut work: Work) -> Step {
    if state.row.refresh_token != Some(work.token) {
        return released(state, work);
    }
    let revision = state.row.revision;
    match raised(state, &mut work) {
        true => Step::Ending { work, revision },
        // Another process has the lease: the answer that it gets decides.
        false => Step::Idle,
    }
}

/// `refusal::end_refused`
fn end_refused(state: &mut State, work: Work, revision: u8) -> Step {
    if !state.row.is_live() || state.row.revision != revision {
        return Step::Refused(work);
    }
    state.row.end(EndReason::RenewalRefused);
    Step::Idle
}
