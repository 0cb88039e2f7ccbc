//! What browsers and faults share: the processes, the history and the clock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::Rng as _;
use rand::rngs::StdRng;

use crate::cookies::Login;
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
    /// The cookies of sessions, by their ids.
    logins: Mutex<HashMap<String, Login>>,
}

impl Site {
    pub(crate) fn new(
        client: reqwest::Client,
        processes: Vec<TestProcess>,
        database: RunDatabase,
        history: Arc<HistoryWriter>,
        clock: RunClock,
    ) -> Self {
        Self {
            client,
            processes,
            database,
            history,
            clock,
            callbacks: AtomicU32::new(0),
            logins: Mutex::default(),
        }
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

    /// Remembers the cookie of a session.
    pub(crate) fn remember(&self, session: &str, login: &Login) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.insert(session.to_owned(), login.clone());
    }

    /// Returns the cookie of a session, if one of the browsers has told it.
    pub(crate) fn login_of(&self, session: &str) -> Option<Login> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).get(session).cloned()
    }

    /// Returns the number of a new callback.
    pub(crate) fn next_callback(&self) -> u32 {
        self.callbacks.fetch_add(1, Ordering::Relaxed)
    }
}
