//! What is certain about each login.

use std::collections::{BTreeMap, BTreeSet};

use super::millis;
use crate::history::{Action, Fault, Operation, Record, Renewal, Run};

/// The reasons of a 401 that say that a session has ended.
pub(super) const END_REASONS: [&str; 4] =
    ["signed_out", "evicted", "revoked_by_user", "renewal_refused"];

/// The place in [`Login::over`] of an end that another process may have carried out: one that a 401 told,
/// or that was over already when all others were ended. So the bound holds at this process too.
const ELSEWHERE: usize = usize::MAX;

/// What the machine and the network may add to a bound.
const SLACK: u64 = millis(500);

/// A history, by kind, with what is known of each login.
pub(super) struct Timeline<'a> {
    pub(super) run: Run,
    /// By their end.
    pub(super) operations: Vec<&'a Operation>,
    pub(super) faults: Vec<&'a Fault>,
    /// By their time.
    pub(super) renewals: Vec<&'a Renewal>,
    pub(super) logins: BTreeMap<u32, Login<'a>>,
    pub(super) by_user: BTreeMap<&'a str, Vec<u32>>,
    pub(super) by_session: BTreeMap<&'a str, u32>,
    /// By user, what asked for an end.
    ending: BTreeMap<&'a str, Vec<&'a Operation>>,
}

/// A sign-in whose callback was sent, and what is known of its session.
pub(super) struct Login<'a> {
    pub(super) number: u32,
    pub(super) sign_in: &'a Operation,
    /// Whether the callback was answered with a cookie.
    pub(super) is_confirmed: bool,
    pub(super) session: Option<&'a str>,
    pub(super) sids: BTreeSet<&'a str>,
    /// The last beginning of a request that was served.
    pub(super) last_served: Option<u64>,
    /// By process, since when it is certainly over there.
    pub(super) over: BTreeMap<usize, u64>,
}

impl Login<'_> {
    /// Returns when the sign-in may have taken effect last: without an answer, at any time.
    pub(super) fn admitted_by(&self) -> u64 {
        if self.is_confirmed { self.sign_in.end } else { u64::MAX }
    }

    /// Returns since when the session is certainly over, at the process where that is known first.
    pub(super) fn over_at(&self) -> Option<u64> {
        self.over.values().min().copied()
    }
}

impl<'a> Timeline<'a> {
    /// Reads a history.
    pub(super) fn new(records: &'a [Record]) -> Self {
        let mut found = Self {
            run: Run::default(),
            operations: Vec::new(),
            faults: Vec::new(),
            renewals: Vec::new(),
            logins: BTreeMap::new(),
            by_user: BTreeMap::new(),
            by_session: BTreeMap::new(),
            ending: BTreeMap::new(),
        };
        for record in records {
            match record {
                Record::Run(run) => found.run = run.clone(),
                Record::Operation(operation) => found.operations.push(operation),
                Record::Fault(fault) => found.faults.push(fault),
                Record::Renewal(renewal) => found.renewals.push(renewal),
            }
        }
        found.operations.sort_by_key(|operation| operation.end);
        found.renewals.sort_by_key(|renewal| renewal.at);
        found.find_logins();
        found.find_ends();
        found
    }

    fn find_logins(&mut self) {
        for sign_in in self.operations.iter().copied() {
            let Some(number) = sign_in.callback else { continue };
            let is_confirmed = sign_in.status.is_some_and(|status| (300..400).contains(&status));
            let login = Login {
                number,
                sign_in,
                is_confirmed,
                session: None,
                sids: BTreeSet::new(),
                last_served: None,
                over: BTreeMap::new(),
            };
            self.logins.insert(number, login);
            self.by_user.entry(&sign_in.user).or_default().push(number);
        }
        for operation in self.operations.iter().copied().filter(|operation| is_served(operation)) {
            let Some(number) = operation.login else { continue };
            let Some(login) = self.logins.get_mut(&number) else { continue };
            login.last_served = login.last_served.max(Some(operation.start));
            login.sids.extend(operation.sid.as_deref());
            if let (Action::Me, Some(session)) = (operation.action, operation.session.as_deref()) {
                login.session.get_or_insert(session);
                self.by_session.entry(session).or_insert(number);
            }
        }
    }

    fn find_ends(&mut self) {
        for operation in self.operations.clone() {
            if matches!(operation.action, Action::End | Action::EndOthers | Action::SignOut) {
                self.ending.entry(&operation.user).or_default().push(operation);
            }
            for number in self.ended_by(operation) {
                let is_its = matches!(operation.action, Action::End | Action::SignOut)
                    && operation.status == Some(204);
                let process = if is_its { operation.process } else { ELSEWHERE };
                if let Some(login) = self.logins.get_mut(&number) {
                    login.over.entry(process).or_insert(operation.end);
                }
            }
        }
    }

    /// Returns the logins that are certainly over after this operation.
    fn ended_by(&self, operation: &Operation) -> Vec<u32> {
        let own: Vec<u32> = operation.login.into_iter().collect();
        let reason = operation.reason.as_deref().unwrap_or_default();
        match (operation.action, operation.status) {
            (_, Some(401)) if END_REASONS.contains(&reason) => own,
            (Action::SignOut, Some(204)) => own,
            (Action::SignIn, Some(300..=399)) if operation.callback.is_some() => {
                own.into_iter().filter(|own| self.is_known_to(*own, operation)).collect()
            }
            (Action::End, Some(204)) => {
                let session = operation.session.as_deref().unwrap_or_default();
                self.by_session.get(session).copied().into_iter().collect()
            }
            (Action::EndOthers, Some(200)) => {
                let all = self.of_user(&operation.user);
                let others = all.filter(|login| Some(login.number) != operation.login);
                let others = others.map(|login| login.number);
                others.filter(|other| self.is_known_to(*other, operation)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns whether the sign-in was confirmed so long before that every process knows it.
    fn is_known_to(&self, login: u32, operation: &Operation) -> bool {
        let known = self.logins.get(&login).filter(|login| login.is_confirmed);
        known.is_some_and(|login| login.sign_in.end + self.replication() < operation.start)
    }

    /// Returns the sign-ins of a user, by the end of their callbacks.
    pub(super) fn of_user(&self, user: &str) -> impl Iterator<Item = &Login<'a>> {
        let numbers = self.by_user.get(user).map(Vec::as_slice).unwrap_or_default();
        numbers.iter().filter_map(|number| self.logins.get(number))
    }

    /// Returns what asked for the end of a session of a user.
    pub(super) fn ending(&self, user: &str) -> impl Iterator<Item = &'a Operation> {
        self.ending.get(user).map(Vec::as_slice).unwrap_or_default().iter().copied()
    }

    /// Returns the login whose cookie an operation presented.
    pub(super) fn presented(&self, operation: &Operation) -> Option<&Login<'a>> {
        self.logins.get(&operation.login?)
    }

    pub(super) fn replication(&self) -> u64 {
        millis(self.run.replication_ms)
    }

    /// Returns within which time an end is seen by every process.
    pub(super) fn bound(&self) -> u64 {
        millis(self.run.max_staleness_ms) + self.replication() + SLACK
    }

    /// Returns whether any fault was on, or a moment ago.
    pub(super) fn is_disturbed(&self, from: u64, to: u64) -> bool {
        let after = millis(2_000);
        self.faults.iter().any(|fault| fault.start <= to && fault.end + after >= from)
    }

    /// Returns whether a process lost its database for some of the time.
    pub(super) fn is_cut_off(&self, process: usize, from: u64, to: u64) -> bool {
        self.faults.iter().any(|fault| {
            fault.kind.is_of_database()
                && fault.process == Some(process)
                && fault.start <= to
                && fault.end >= from
        })
    }
}

/// Returns whether the answer needed a live session.
pub(super) fn is_served(operation: &Operation) -> bool {
    let needs_session = !matches!(operation.action, Action::SignIn | Action::SignOut);
    let is_not_found = operation.action == Action::End && operation.status == Some(404);
    needs_session && (is_not_found || operation.status.is_some_and(|s| (200..300).contains(&s)))
}
