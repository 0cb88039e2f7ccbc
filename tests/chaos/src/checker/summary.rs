//! What a history holds, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use super::timeline::{END_REASONS, Timeline, is_served};
use crate::history::{Action, FaultKind, RenewalOutcome, Run};

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
        }
    }
}

fn tally<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    items.fold(BTreeMap::new(), |mut counts, item| {
        *counts.entry(item).or_default() += 1;
        counts
    })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, seed {}", self.run.database, self.run.seed)?;
        writeln!(f, "operations: {} ({} served): {:?}", self.operations, self.served, self.actions)?;
        let faults: usize = self.faults.values().sum();
        writeln!(f, "faults: {faults}: {:?}", self.faults)?;
        writeln!(f, "logins: {}, ended: {}: {:?}", self.logins, self.ended, self.reasons)?;
        let Self { renewals, lost, reused, .. } = self;
        write!(f, "renewals: {renewals}, answers lost: {lost}, tokens sent twice: {reused}")
    }
}
