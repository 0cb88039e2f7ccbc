//! Two processes, one refresh token: who sends it, and what is written (store laws 3 and 4).
//!
//! Time passes in ticks. A process that runs acts before the next one; one that is frozen, or whose
//! machine is suspended, does not. A tick is what lies between two heartbeats.

mod checked;
mod process;
mod provider;
mod store;
mod tick;

use std::fmt;

use stateright::{Model, Property};

use process::{Process, Step};
use provider::Provider;
use store::Row;

/// How many ticks a lease may stand still (`lease_term`).
const TERM: u8 = 2;

/// How many ticks the provider may take (`provider_timeout`).
const TIMEOUT: u8 = 1;

/// How many ticks an access token is valid, by the clock of its writer.
const LIFETIME: u8 = 3;

/// A refresh token, by its number in the order of issue; the sign-in's is 0.
type Token = u8;

/// What the checker explores.
#[derive(Debug, Clone, Copy)]
pub struct Renewal {
    /// How often each kind of trouble may happen, and how long a run is.
    pub bounds: Bounds,
    /// Whether the provider ends a grant whose used token is sent again (RFC 9700, section 4.14.2).
    pub detects_reuse: bool,
    /// By how many ticks the wall clock of each process is ahead.
    pub ahead: [u8; 2],
    /// What the code would do wrong.
    pub flaw: Option<Flaw>,
}

/// How often each kind of trouble may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Ticks of a run.
    pub ticks: u8,
    /// Processes that are killed.
    pub crashes: u8,
    /// Processes that are frozen (SIGSTOP): both clocks go on.
    pub freezes: u8,
    /// Machines that are suspended: the wall clock goes on alone.
    pub suspensions: u8,
    /// Answers of the provider that are lost on the way.
    pub lost_answers: u8,
    /// Answers of the store to a write that are lost on the way.
    pub lost_writes: u8,
    /// Ends by the user.
    pub ends: u8,
    /// Other writes of the row, such as a rotated secret.
    pub other_writes: u8,
    /// Leases that are claimed.
    pub claims: u8,
}

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Renewed tokens are written whatever the row holds by now.
    IgnoresRevision,
    /// The token is sent without the check of heartbeat and clocks right before.
    SkipsLastCheck,
    /// That check reads the monotonic clock alone.
    TrustsMonotonicClock,
    /// A lease is taken over without having been watched.
    TakesOverAtOnce,
}

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// Ticks since the beginning.
    time: u8,
    row: Row,
    /// The provider, and the requests on their way to it.
    provider: Provider,
    processes: [Process; 2],
    /// What may still happen.
    left: Bounds,
    /// What has happened, for the properties.
    history: History,
}

/// What has happened that a moment does not show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct History {
    /// The tokens that were sent, a bit each.
    sent: u8,
    /// The tokens whose answer was lost, or whose sender was frozen or killed after its last check.
    excused: u8,
    /// Whether a token was sent twice.
    has_resent: bool,
    /// Whether a token was sent twice without an excuse.
    has_resent_unexcused: bool,
    /// Whether a token was written over one that is newer.
    has_overwritten: bool,
}

/// What can happen next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Time passes.
    Tick,
    /// A process does what it does next.
    Step(usize),
    /// The provider answers the request of a process.
    Answer(usize),
    /// The provider handles a request, and the answer is lost.
    LoseAnswer(usize),
    /// A write takes effect, and its answer is lost.
    LoseWrite(usize),
    /// A process stops (SIGSTOP).
    Freeze(usize),
    /// The machine of a process is suspended.
    Suspend(usize),
    /// It goes on.
    Thaw(usize),
    /// A process is killed, and starts anew.
    Crash(usize),
    /// The user ends the session.
    End,
    /// Something else of the row is written.
    OtherWrite,
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tick => write!(f, "tick"),
            Self::Step(of) => write!(f, "{of} goes on"),
            Self::Answer(of) => write!(f, "{of} is answered"),
            Self::LoseAnswer(of) => write!(f, "the answer to {of} is lost"),
            Self::LoseWrite(of) => write!(f, "the answer to the write of {of} is lost"),
            Self::Freeze(of) => write!(f, "{of} is frozen"),
            Self::Suspend(of) => write!(f, "{of} is suspended"),
            Self::Thaw(of) => write!(f, "{of} is thawed"),
            Self::Crash(of) => write!(f, "{of} is killed"),
            Self::End => write!(f, "the user signs out"),
            Self::OtherWrite => write!(f, "the row is written"),
        }
    }
}

impl Model for Renewal {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            time: 0,
            row: Row::signed_in(),
            provider: Provider::default(),
            processes: [Process::default(), Process::default()],
            left: self.bounds,
            history: History::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.left.ticks > 0 && !state.processes.iter().any(Process::acts_now) {
            actions.push(Action::Tick);
        }
        if state.row.is_live() {
            push_if(actions, state.left.ends, Action::End);
            push_if(actions, state.left.other_writes, Action::OtherWrite);
        }
        for (at, process) in state.processes.iter().enumerate() {
            if !process.is_running() {
                actions.push(Action::Thaw(at));
            } else if self.has_step(state, at) {
                actions.push(Action::Step(at));
            }
            if process.is_running() && process.step != Step::Idle {
                push_if(actions, state.left.freezes, Action::Freeze(at));
                push_if(actions, state.left.suspensions, Action::Suspend(at));
                push_if(actions, state.left.crashes, Action::Crash(at));
            }
            if process.can_write(&state.row) {
                push_if(actions, state.left.lost_writes, Action::LoseWrite(at));
            }
            if state.provider.has_request_of(at) {
                actions.push(Action::Answer(at));
                push_if(actions, state.left.lost_answers, Action::LoseAnswer(at));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => self.tick(&mut state),
            Action::Step(at) => self.step(&mut state, at),
            Action::Answer(at) => self.answer(&mut state, at),
            Action::LoseAnswer(at) => self.lose_answer(&mut state, at),
            Action::LoseWrite(at) => self.lose_write(&mut state, at),
            Action::Freeze(at) => state.freeze(at),
            Action::Suspend(at) => state.suspend(at),
            Action::Thaw(at) => state.thaw(at),
            Action::Crash(at) => state.crash(at),
            Action::End => {
                state.left.ends -= 1;
                state.row.end(store::EndReason::SignedOut);
            }
            Action::OtherWrite => {
                state.left.other_writes -= 1;
                state.row.revision += 1;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        checked::properties()
    }
}

fn push_if(actions: &mut Vec<Action>, left: u8, action: Action) {
    if left > 0 {
        actions.push(action);
    }
}
