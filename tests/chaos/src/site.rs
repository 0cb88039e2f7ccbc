//! What browsers and faults share: the processes, the history and the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rand::Rng as _;
use rand::rngs::StdRng;

use crate::database::{DatabaseLink, RunDatabase};
use crate::error::BenchError;
use crate::history::HistoryWriter;
use crate::processes::TestProcess;
use crate::provider::RunClock;

/// The processes of a run, and what all operations need.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) client: reqwest::Client,
    pub(crate) processes: Vec<TestProcess>,
    pub(crate) database: RunDatabase,
    pub(crate) history: Arc<HistoryWriter>,
    pub(crate) clock: RunClock,
    callbacks: AtomicU32,
}

impl Site {
    pub(crate) fn new(
        client: reqwest::Client,
        processes: Vec<TestProcess>,
        database: RunDatabase,
        history: Arc<HistoryWriter>,
        clock: RunClock,
    ) -> Self {
        Self { client, processes, database, history, clock, callbacks: AtomicU32::new(0) }
    }

    /// Returns a process and what it reaches the database by.
    pub(crate) fn process(
        &self,
        number: usize,
    ) -> Result<(&TestProcess, &DatabaseLink), BenchError> {
        let process = self.processes.get(number).zip(self.database.links.get(number));
        process.ok_or_else(|| BenchError::new("there is no such process"))
    }

    /// Chooses a process. One that is away is chosen too, but seldom: otherwise all browsers would
    /// soon wait for it.
    pub(crate) fn choose(&self, random: &mut StdRng) -> usize {
        let any = |random: &mut StdRng| random.gen_range(0..self.processes.len());
        let mut chosen = any(random);
        for _ in 0..3 {
            if self.processes.get(chosen).is_some_and(TestProcess::is_away) {
                chosen = any(random);
            }
        }
        chosen
    }

    /// Returns the number of a new callback.
    pub(crate) fn next_callback(&self) -> u32 {
        self.callbacks.fetch_add(1, Ordering::Relaxed)
    }
}
