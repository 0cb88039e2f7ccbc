//! A process: a manager on a runtime of its own, which the scheduler polls.

use std::time::Duration;

use session_core::store::SessionStore;
use session_core::testing::{Fault, FaultyStore, Method, ScriptedProvider};
use session_core::{Keyring, SessionManager, SessionPolicy};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::clock::NodeClock;
use crate::history::History;
use crate::provider::Way;

/// The cap of each user.
pub(crate) const CAP: u32 = 2;

/// The key of all nodes.
const KEY: &str = "k:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) fn keyring() -> Keyring {
    Keyring::parse(KEY).unwrap()
}

/// How often a node lets its tasks run before it counts as waiting.
const TURNS: usize = 12;

pub(crate) struct Node {
    runtime: Runtime,
    pub(crate) manager: SessionManager,
    store: FaultyStore,
    pub(crate) way: Way,
    pub(crate) clock: NodeClock,
    pub(crate) is_frozen: bool,
    requests: Vec<JoinHandle<()>>,
    /// The tasks that a manager always has.
    idle_tasks: usize,
}

/// What waits for the scheduler.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pending {
    Store(Method),
    Request,
    Answer,
}

fn policy() -> SessionPolicy {
    let policy = SessionPolicy::builder().max_sessions(CAP).renewal_jitter(Duration::ZERO);
    let policy = policy.follow_interval(Duration::from_secs(2));
    policy.without_idle_timeout().without_absolute_timeout().build().unwrap()
}

impl Node {
    pub(crate) fn start(
        at: usize,
        store: Arc<dyn SessionStore>,
        provider: &ScriptedProvider,
        clock: NodeClock,
        history: &History,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (store, way) = (FaultyStore::over(store), Way::new(provider, at, history));
        let manager = SessionManager::builder(store.clone())
            .policy(policy())
            .keyring(keyring())
            .clock(clock.clone())
            .provider("*", way.clone());
        let manager = runtime.block_on(manager.start()).unwrap();
        store.set_all(Fault::HangBefore);
        let idle_tasks = manager.stats().tasks;
        let requests = Vec::new();
        Self { runtime, manager, store, way, clock, is_frozen: false, requests, idle_tasks }
    }

    /// Lets the tasks run until they wait.
    pub(crate) fn settle(&self) {
        if self.is_frozen {
            return;
        }
        self.runtime.block_on(async {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
        });
    }

    pub(crate) fn spawn(&mut self, request: impl Future<Output = ()> + Send + 'static) {
        self.requests.retain(|request| !request.is_finished());
        self.requests.push(self.runtime.spawn(request));
    }

    /// Drops a request that is being answered; returns whether there was one.
    pub(crate) fn hang_up(&mut self, pick: impl FnOnce(usize) -> usize) -> bool {
        self.requests.retain(|request| !request.is_finished());
        let count = self.requests.len();
        if count > 0 {
            self.requests.swap_remove(pick(count)).abort();
        }
        count > 0
    }

    /// Returns what waits at this node, if it runs.
    pub(crate) fn pending(&self) -> Vec<Pending> {
        if self.is_frozen {
            return Vec::new();
        }
        let hanging = Method::ALL.into_iter().filter(|method| self.store.hanging(*method) > 0);
        let mut pending: Vec<_> = hanging.map(Pending::Store).collect();
        pending.extend((self.way.requests.held() > 0).then_some(Pending::Request));
        pending.extend((self.way.answers.held() > 0).then_some(Pending::Answer));
        pending
    }

    /// Returns whether a request to the provider, or its answer, is on its way.
    pub(crate) fn is_asking(&self) -> bool {
        self.way.requests.held() + self.way.answers.held() > 0
    }

    pub(crate) fn release(&self, pending: Pending) {
        match pending {
            Pending::Store(method) => self.store.release(method),
            Pending::Request => reopen(&self.way.requests),
            Pending::Answer => reopen(&self.way.answers),
        }
    }

    /// Returns whether nothing is in progress.
    pub(crate) fn is_idle(&self) -> bool {
        self.manager.stats().tasks <= self.idle_tasks
            && self.requests.iter().all(JoinHandle::is_finished)
    }

    /// Sets the fault of the next call of a method.
    pub(crate) fn fail_next(&self, method: Method, fault: Fault) {
        self.store.set_next(method, fault);
    }

    /// Ends all faults.
    pub(crate) fn heal(&mut self) {
        self.is_frozen = false;
        self.store.clear_all();
        self.way.open();
    }
}

/// Lets through what waits, and holds what comes.
fn reopen(gate: &session_core::testing::Gate) {
    gate.open();
    gate.close();
}
