//! Rows that are read into a cache while the session ends and is renewed (failure F15).
//!
//! Stands for `session-tower/src/cache.rs`: `read_through` and `fill` against `forget`, which runs after
//! the store was written. Each step is what one thread does without another in between.

use stateright::{Model, Property};

/// The requests that read the row.
const READERS: usize = 2;

/// The writers: an end, and a renewal.
const END: usize = 0;
const RENEWAL: usize = 1;

/// What the checker explores.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuardedFill {
    /// What the code would do wrong.
    pub flaw: Option<Flaw>,
}

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// What was read is kept whatever the generation is by now.
    FillsUnguarded,
    /// The shard's lock is not held from the check to the insert.
    UnlocksAfterCheck,
    /// The entry is dropped before the store is written.
    ForgetsFirst,
}

/// Everything at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct State {
    revision: u8,
    has_ended: bool,
    /// The revision of the cached row.
    entry: Option<u8>,
    generation: u8,
    /// Whether a thread holds the shard's lock.
    is_locked: bool,
    readers: [Reader; READERS],
    writers: [Writer; 2],
}

/// Where a request is (`SessionCache::read_through`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Reader {
    #[default]
    Begins,
    /// It has read the generation.
    Reading {
        generation: u8,
    },
    /// It has read the row.
    Filling {
        generation: u8,
        revision: u8,
    },
    /// It has compared generation and revision, in `fill`.
    Inserting {
        revision: u8,
        is_current: bool,
    },
    Done,
}

/// Where an end or a renewal is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Writer {
    #[default]
    Begins,
    /// The first of the two, writing and forgetting, is done.
    Between,
    /// It has advanced the generation, in `forget`.
    Forgetting,
    /// It is confirmed.
    Done,
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A request goes on.
    Read(usize),
    /// An end or a renewal goes on.
    Write(usize),
}

impl Model for GuardedFill {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        actions.extend((0..READERS).map(Action::Read));
        actions.extend([END, RENEWAL].map(Action::Write));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Read(at) => state.readers[at] = self.read(&mut state, last.readers[at])?,
            Action::Write(at) => state.writers[at] = self.write(&mut state, at)?,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what has ended is not cached", |_, state: &State| {
                state.writers[END] != Writer::Done || state.entry.is_none()
            }),
            Property::always("what is cached is not older than a confirmed renewal", |_, state| {
                let state: &State = state;
                state.writers[RENEWAL] != Writer::Done || state.entry != Some(0)
            }),
            Property::sometimes("a row is cached", |_, state: &State| state.entry == Some(1)),
            Property::sometimes("a reading is overtaken", |_, state: &State| {
                let is_overtaken =
                    |of: &Reader| matches!(of, Reader::Inserting { is_current: false, .. });
                state.readers.iter().any(is_overtaken)
            }),
        ]
    }
}

impl GuardedFill {
    fn read(&self, state: &mut State, reader: Reader) -> Option<Reader> {
        Some(match reader {
            Reader::Begins if state.is_locked => return None,
            Reader::Begins => Reader::Reading { generation: state.generation },
            // An ended session is not kept.
            Reader::Reading { .. } if state.has_ended => Reader::Done,
            Reader::Reading { generation } => {
                Reader::Filling { generation, revision: state.revision }
            }
            Reader::Filling { .. } if state.is_locked => return None,
            Reader::Filling { generation, revision } => {
                state.is_locked = self.flaw != Some(Flaw::UnlocksAfterCheck);
                let is_newer = state.entry.is_some_and(|known| known > revision);
                let is_current = state.generation == generation && !is_newer;
                let is_current = is_current || self.flaw == Some(Flaw::FillsUnguarded);
                Reader::Inserting { revision, is_current }
            }
            Reader::Inserting { revision, is_current } => {
                if is_current {
                    state.entry = Some(revision);
                }
                if self.flaw != Some(Flaw::UnlocksAfterCheck) {
                    state.is_locked = false;
                }
                Reader::Done
            }
            Reader::Done => return None,
        })
    }

    fn write(&self, state: &mut State, at: usize) -> Option<Writer> {
        let forgets_first = self.flaw == Some(Flaw::ForgetsFirst);
        Some(match (state.writers[at], forgets_first) {
            // An ended row is not renewed.
            (Writer::Begins, false) | (Writer::Between, true) if state.has_ended => return None,
            (Writer::Begins, false) => {
                state.write(at);
                Writer::Between
            }
            (Writer::Between, true) => {
                state.write(at);
                Writer::Done
            }
            (Writer::Begins | Writer::Between, _) if state.is_locked => return None,
            (Writer::Begins | Writer::Between, _) => {
                state.is_locked = true;
                state.generation += 1;
                Writer::Forgetting
            }
            (Writer::Forgetting, _) => {
                state.entry = None;
                state.is_locked = false;
                if forgets_first { Writer::Between } else { Writer::Done }
            }
            (Writer::Done, _) => return None,
        })
    }
}

impl State {
    fn write(&mut self, at: usize) {
        self.revision += 1;
        self.has_ended = at == END;
    }
}
