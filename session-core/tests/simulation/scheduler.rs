//! What happens next, as the seed says.

use std::sync::Arc;
use std::time::Duration;

use session_core::SessionStore;
use session_core::store::StoreErrorKind;
use session_core::store::memory::MemoryStore;
use session_core::testing::{Fault, Method, ScriptedProvider};

use crate::checks;
use crate::clock::{NodeClock, Time};
use crate::flawed::{Flaw, Flawed};
use crate::history::{Confirmed, Counts, History};
use crate::node::{Node, Pending};
use crate::random::Random;
use crate::requests;

const NODES: usize = 3;
const USERS: usize = 3;
const STEPS: u64 = 400;

/// How many of the last sessions are used.
const RECENT: usize = 4;

/// How many ends of sleeps are waited for until all is done.
const MAX_WAKES: usize = 3000;

/// How far wall clocks are apart, in milliseconds.
const MAX_SKEW: usize = 60_000;

/// The methods whose calls fail now and then.
const FAULTY: [Method; 9] = [
    Method::Admit,
    Method::ClaimLease,
    Method::End,
    Method::EnqueueRevocation,
    Method::Find,
    Method::FindByDigest,
    Method::Heartbeat,
    Method::ReleaseLease,
    Method::WriteTokens,
];

pub(crate) struct Simulation {
    random: Random,
    time: Time,
    sessions: MemoryStore,
    store: Flawed,
    provider: ScriptedProvider,
    history: History,
    nodes: Vec<Node>,
}

impl Simulation {
    pub(crate) fn new(seed: u64, flaw: Flaw) -> Self {
        let (mut random, time, history) = (Random::new(seed), Time::default(), History::default());
        let sessions = MemoryStore::new();
        let store = Flawed::new(sessions.clone(), flaw);
        let provider = match seed % 2 {
            0 => ScriptedProvider::new().with_reuse_detection(),
            _ => ScriptedProvider::new(),
        };
        let nodes = (0..NODES).map(|at| {
            let clock = NodeClock::new(&time, at, skew(&mut random));
            Node::start(at, Arc::new(store.node()), &provider, clock, &history)
        });
        let nodes = nodes.collect();
        Self { random, time, sessions, store, provider, history, nodes }
    }

    /// Lets a run's trouble happen.
    pub(crate) fn run(&mut self) {
        for step in 1..=STEPS {
            self.history.lock().step = step;
            match self.random.below(1000) {
                0..440 => self.deliver(),
                440..690 => self.pass_time(),
                690..860 => self.request(),
                860..900 => self.calm(),
                900..920 => self.hang_up(),
                920..945 => self.fail_store(),
                945..950 => self.crash(),
                950..965 => self.freeze(),
                965..985 => self.thaw(),
                985..990 => self.set_clock(),
                _ => self.lose_answer(),
            }
            checks::cap(&self.sessions, USERS, &self.history);
            checks::newest(&self.sessions, &self.history);
        }
    }

    /// Ends all trouble, lets everything finish, and returns what was wrong.
    pub(crate) fn finish(mut self) -> (Counts, Vec<String>) {
        self.history.lock().step = STEPS + 1;
        self.nodes.iter_mut().for_each(Node::heal);
        for _ in 0..MAX_WAKES {
            self.settle();
            if self.nodes.iter().all(Node::is_idle) {
                break;
            }
            self.time.advance_to(self.time.next(|_| true).unwrap());
        }
        if !self.nodes.iter().all(Node::is_idle) {
            self.history.violation("a node never comes to rest".to_owned());
        }
        checks::all(&self.sessions, &self.provider, &self.history);
        let seen = self.history.lock();
        (seen.counts.clone(), seen.violations.clone())
    }

    fn settle(&self) {
        self.nodes.iter().for_each(Node::settle);
    }

    fn running(&self) -> Vec<usize> {
        (0..NODES).filter(|at| !self.nodes[*at].is_frozen).collect()
    }

    fn pending(&self) -> Vec<(usize, Pending)> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .flat_map(|(at, node)| node.pending().into_iter().map(move |what| (at, what)))
            .collect()
    }

    fn deliver(&mut self) {
        match self.random.pick(&self.pending()) {
            Some((at, pending)) => {
                self.nodes[at].release(pending);
                self.nodes[at].settle();
            }
            None => self.pass_time(),
        }
    }

    /// Lets time pass: a store that has not answered is slow for a moment only, a renewal in progress is
    /// never slept over, and a node that waits is never late.
    fn pass_time(&mut self) {
        let pending = self.pending();
        let has_call = pending.iter().any(|(_, what)| matches!(what, Pending::Store(_)));
        if has_call && !self.random.one_in(8) {
            return self.deliver();
        }
        let running = self.running();
        let Some(next) = self.time.next(|node| running.contains(&node)) else { return };
        let now = self.time.now();
        let all_rest = pending.is_empty() && running.iter().all(|at| self.nodes[*at].is_idle());
        let until = match (has_call, all_rest && self.random.one_in(4)) {
            (true, _) => next.min(now + Duration::from_millis(100)),
            (false, true) => now + Duration::from_secs(10 + self.random.below(120) as u64),
            (false, false) => next,
        };
        self.time.advance_to(until);
        self.settle();
    }

    /// Lets up to a minute pass in which the store answers at once, and the provider not at all.
    fn calm(&mut self) {
        let until = self.time.now() + Duration::from_secs(self.random.below(60) as u64);
        let running = self.running();
        while let Some(next) = self.time.next(|node| running.contains(&node)) {
            for (at, pending) in self.pending() {
                if matches!(pending, Pending::Store(_)) {
                    self.nodes[at].release(pending);
                }
            }
            self.settle();
            let has_call = |(_, what): &(usize, Pending)| matches!(what, Pending::Store(_));
            if self.pending().iter().any(has_call) {
                continue;
            }
            if next > until {
                return;
            }
            self.time.advance_to(next);
            self.settle();
        }
    }

    fn request(&mut self) {
        let Some(at) = self.random.pick(&self.running()) else { return };
        let (manager, history) = (self.nodes[at].manager.clone(), self.history.clone());
        let confirmed = self.history.lock().confirmed.len();
        let recent = confirmed.min(RECENT);
        let session = (recent > 0).then(|| confirmed - 1 - self.random.below(recent));
        let session: Option<Confirmed> =
            session.map(|at| self.history.lock().confirmed[at].clone());
        let node = &mut self.nodes[at];
        match (self.random.below(12), session) {
            (0..2, before) => {
                let before = before.filter(|_| self.random.one_in(3));
                let user = before.as_ref().map_or(self.random.below(USERS), |of| of.user);
                let provider = self.provider.clone();
                node.spawn(requests::sign_in(manager, history, provider, user, before));
            }
            (2..4, Some(session)) => node.spawn(requests::resolve(manager, history, session)),
            (4..11, Some(session)) => node.spawn(requests::access_token(manager, history, session)),
            (11, Some(session)) => node.spawn(requests::end(manager, history, session)),
            _ => {}
        }
        node.settle();
    }

    fn hang_up(&mut self) {
        let Some(at) = self.random.pick(&self.running()) else { return };
        let has_hung_up = self.nodes[at].hang_up(|count| self.random.below(count));
        self.history.lock().counts.hung_up += usize::from(has_hung_up);
        self.nodes[at].settle();
    }

    fn fail_store(&mut self) {
        let at = self.random.below(NODES);
        let method = FAULTY[self.random.below(FAULTY.len())];
        let kinds = [StoreErrorKind::Unavailable, StoreErrorKind::Contended];
        let kind = kinds[self.random.below(kinds.len())];
        let faults = [Fault::Before(kind), Fault::ANSWER_LOST, Fault::HangAfter];
        self.nodes[at].fail_next(method, faults[self.random.below(faults.len())]);
        self.history.lock().counts.store_faults += 1;
    }

    /// Kills a node, and starts it anew.
    fn crash(&mut self) {
        let at = self.random.below(NODES);
        self.history.cause(at);
        self.history.lock().counts.crashes += 1;
        let clock = NodeClock::new(&self.time, at, self.nodes[at].clock.ahead());
        let store: Arc<dyn SessionStore> = Arc::new(self.store.node());
        self.nodes[at] = Node::start(at, store, &self.provider, clock, &self.history);
    }

    /// Stops a node, most often one that asks the provider.
    fn freeze(&mut self) {
        let running = self.running();
        let asking: Vec<_> =
            running.iter().copied().filter(|at| self.nodes[*at].is_asking()).collect();
        let of = if asking.is_empty() { running } else { asking };
        let Some(at) = self.random.pick(&of) else { return };
        self.nodes[at].is_frozen = true;
        self.history.cause(at);
        self.history.lock().counts.freezes += 1;
    }

    fn thaw(&mut self) {
        let at = self.random.below(NODES);
        self.nodes[at].is_frozen = false;
        self.nodes[at].settle();
    }

    fn set_clock(&mut self) {
        let at = self.random.below(NODES);
        self.nodes[at].clock.set_ahead(skew(&mut self.random));
        self.history.lock().counts.clock_steps += 1;
    }

    fn lose_answer(&mut self) {
        let at = self.random.below(NODES);
        self.nodes[at].way.lose_next();
    }
}

fn skew(random: &mut Random) -> i64 {
    i64::try_from(random.below(MAX_SKEW)).unwrap()
}
