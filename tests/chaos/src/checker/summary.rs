//! What a history holds, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use super::timeline::{END_REASONS, Timeline, is_served};
use crate::history::{Action, FaultKind, Operation, RenewalOutcome, Run};

/// What a history holds, in numbers.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What the run was started with.
    pub run: Run,
    /// The operations of browsers.
    pub operations: usize,
    /// Those that were answered as they should without a fault.
    pub served: usize,
    /// By action.
    pub actions: BTreeMap<Action, usize>,
    /// By kind.
    pub faults: BTreeMap<FaultKind, usize>,
    /// Sign-ins that were confirmed.
    pub logins: usize,
    /// Logins whose end was seen.
    pub ended: usize,
    /// Those by eviction, and so on.
    pub reasons: BTreeMap<&'static str, usize>,
    /// Renewals at the provider, including those whose answer was lost.
    pub renewals: usize,
    /// Renewals whose answer was lost by a fault.
    pub lost: usize,
    /// Refresh tokens that were sent twice.
    pub reused: usize,
    /// How long after a confirmed end another process rejected the session, which it had served just
    /// before, in microseconds and by length. Without a fault meanwhile.
    pub delays: Vec<u64>,
}

impl Summary {
    /// Counts.
    pub(super) fn of(timeline: &Timeline<'_>) -> Self {
        let operations = &timeline.operations;
        let count = |wanted| {
            let of_outcome = |renewal: &&&crate::history::Renewal| renewal.outcome == wanted;
            timeline.renewals.iter().filter(of_outcome).count()
        };
        let reasons = END_REASONS.iter().map(|reason| {
            let mut logins: Vec<_> = operations
                .iter()
                .filter(|operation| operation.reason.as_deref() == Some(reason))
                .filter_map(|operation| operation.login)
                .collect();
            logins.sort_unstable();
            logins.dedup();
            (*reason, logins.len())
        });
        Self {
            run: timeline.run.clone(),
            operations: operations.len(),
            served: operations.iter().filter(|operation| is_served(operation)).count(),
            actions: tally(operations.iter().map(|operation| operation.action)),
            faults: tally(timeline.faults.iter().map(|fault| fault.kind)),
            logins: timeline.logins.values().filter(|login| login.is_confirmed).count(),
            ended: timeline.logins.values().filter(|login| login.over_at().is_some()).count(),
            reasons: reasons.collect(),
            renewals: count(RenewalOutcome::Renewed),
            lost: count(RenewalOutcome::Lost),
            reused: count(RenewalOutcome::Reused),
            delays: delays(timeline),
        }
    }
}

impl Summary {
    /// Returns within how many milliseconds this percentage of the ends were seen elsewhere.
    #[must_use]
    pub fn delay_ms(&self, percent: usize) -> u64 {
        let index = (self.delays.len() * percent).div_ceil(100).saturating_sub(1);
        self.delays.get(index).copied().unwrap_or_default() / 1_000
    }
}

fn delays(timeline: &Timeline<'_>) -> Vec<u64> {
    let mut found = Vec::new();
    // By login and process: when it was last served, and the end that is being watched.
    let mut served: BTreeMap<(u32, usize), u64> = BTreeMap::new();
    let mut ends: BTreeMap<u32, &Operation> = BTreeMap::new();
    for operation in &timeline.operations {
        if (operation.action, operation.status) == (Action::End, Some(204)) {
            let target = operation.session.as_deref().unwrap_or_default();
            let target = timeline.by_session.get(target);
            target.map(|login| ends.insert(*login, operation));
        }
        let Some(login) = operation.login else { continue };
        let key = (login, operation.process);
        if is_served(operation) {
            served.insert(key, operation.end);
        } else if operation.status == Some(401)
            && let (Some(end), Some(served)) = (ends.get(&login), served.remove(&key))
        {
            let was_cached = served + CACHED > end.start && end.process != operation.process;
            if was_cached && !timeline.is_disturbed(end.start, operation.end) {
                found.push(operation.end.saturating_sub(end.end));
            }
        }
    }
    found.sort_unstable();
    found
}

/// For how long after it was served a session is taken to be cached.
const CACHED: u64 = super::millis(700);

fn tally<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    items.fold(BTreeMap::new(), |mut counts, item| {
        *counts.entry(item).or_default() += 1;
        counts
    })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, seed {}", self.run.database, self.run.seed)?;
        writeln!(
            f,
            "operations: {} ({} served): {:?}",
            self.operations, self.served, self.actions
        )?;
        let faults: usize = self.faults.values().sum();
        writeln!(f, "faults: {faults}: {:?}", self.faults)?;
        writeln!(f, "logins: {}, ended: {}: {:?}", self.logins, self.ended, self.reasons)?;
        let Self { renewals, lost, reused, .. } = self;
        writeln!(f, "renewals: {renewals}, answers lost: {lost}, tokens sent twice: {reused}")?;
        let (ends, at) = (self.delays.len(), |part| self.delay_ms(part));
        let (half, most, all) = (at(50), at(99), at(100));
        write!(
            f,
            "ends elsewhere: {ends}, seen after {half} ms (median), {most} (99th), {all} (last)"
        )
    }
}
