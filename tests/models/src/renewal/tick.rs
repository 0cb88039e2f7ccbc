//! What the passing of time does: heartbeats, patience, and pauses of a process.

use super::process::{Pause, Process, Step, Work, raised, released};
use super::store::Row;
use super::{Renewal, State, TERM, Token};

impl Renewal {
    /// Lets a tick pass for all processes.
    pub(crate) fn tick(&self, state: &mut State) {
        state.left.ticks -= 1;
        state.time += 1;
        for at in 0..state.processes.len() {
            let next = match state.processes[at].pause {
                Pause::Running => running(state, state.processes[at].step),
                Pause::Frozen => frozen(state.processes[at].step),
                Pause::Suspended => suspended(state.processes[at].step),
            };
            state.processes[at].step = next;
        }
    }
}

/// A process that runs looks at the row, and raises its heartbeat (`HeldLease::with_heartbeats`).
fn running(state: &mut State, step: Step) -> Step {
    match step {
        Step::Waiting { .. } => look(&state.row, aged(step)),
        Step::Asking { mut work, waited, answer } => {
            raised(state, &mut work);
            Step::Asking { work, waited: waited + 1, answer }
        }
        Step::Outwaiting { work, unchanged, revision } => {
            outwait_former_owner(state, work, unchanged, revision)
        }
        other => other,
    }
}

/// A stopped process does nothing, and its clocks go on.
fn frozen(step: Step) -> Step {
    match step {
        Step::Raised { work, monotonic, wall } => {
            Step::Raised { work, monotonic: monotonic + 1, wall: wall + 1 }
        }
        Step::Asking { work, waited, answer } => {
            Step::Asking { work, waited: (waited + 1).min(TERM), answer }
        }
        other => aged(other),
    }
}

/// On a suspended machine the wall clock goes on alone.
const fn suspended(step: Step) -> Step {
    match step {
        Step::Raised { work, monotonic, wall } => Step::Raised { work, monotonic, wall: wall + 1 },
        other => other,
    }
}

fn aged(step: Step) -> Step {
    match step {
        Step::Waiting { seen, still, revision } => {
            Step::Waiting { seen, still: (still + 1).min(TERM), revision }
        }
        other => other,
    }
}

/// One look of `wait_for_lease`
fn look(row: &Row, step: Step) -> Step {
    let Step::Waiting { seen, still, revision } = step else { return step };
    match row.lease.filter(|_| row.is_live() && row.revision == revision) {
        None => Step::Reading,
        Some(lease) if lease != seen => Step::Waiting { seen: lease, still: 0, revision },
        Some(lease) if still >= TERM => Step::Claimable { seen: Some(lease), is_taken_over: true },
        Some(_) => step,
    }
}

/// One look of `refusal::outwait_former_owner`
fn outwait_former_owner(state: &mut State, mut work: Work, unchanged: u8, revision: u8) -> Step {
    if state.row.is_live() && state.row.refresh_token != Some(work.token) {
        return released(state, work);
    }
    let is_unchanged = state.row.revision == revision;
    let unchanged = if is_unchanged { unchanged + 1 } else { 0 };
    let revision = state.row.revision;
    raised(state, &mut work);
    match unchanged >= TERM || !state.row.is_live() {
        true => Step::Refused(work),
        false => Step::Outwaiting { work, unchanged, revision },
    }
}

impl State {
    pub(crate) fn freeze(&mut self, at: usize) {
        self.left.freezes -= 1;
        self.pause(at, Pause::Frozen);
    }

    pub(crate) fn suspend(&mut self, at: usize) {
        self.left.suspensions -= 1;
        self.pause(at, Pause::Suspended);
    }

    fn pause(&mut self, at: usize, pause: Pause) {
        self.excuse_sender(at);
        self.processes[at].pause = pause;
    }

    pub(crate) fn thaw(&mut self, at: usize) {
        self.processes[at].pause = Pause::Running;
        self.processes[at].step = look(&self.row, self.processes[at].step);
    }

    pub(crate) fn crash(&mut self, at: usize) {
        self.left.crashes -= 1;
        self.excuse_sender(at);
        self.processes[at] = Process::default();
    }

    fn excuse_sender(&mut self, at: usize) {
        if let Some(token) = self.processes[at].step.token_after_last_check() {
            self.excuse(token);
        }
    }

    pub(crate) fn excuse(&mut self, token: Token) {
        self.history.excused |= 1 << token;
    }
}
