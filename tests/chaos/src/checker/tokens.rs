//! No refresh token is sent twice, unless the answer with the new one was lost.

use super::timeline::Timeline;
use super::{Law, Violation, millis};
use crate::history::{Fault, FaultKind, Renewal, RenewalOutcome};

/// How long before a rotation its request may have been sent, and within which time after it the
/// new token is stored.
const BEFORE: u64 = millis(2_500);
const AFTER: u64 = millis(5_000);

/// A freeze from which on the answer of the provider may come too late.
const LONG_FREEZE: u64 = millis(3_000);

pub(super) fn check(timeline: &Timeline<'_>, found: &mut Vec<Violation>) {
    for (index, reused) in timeline.renewals.iter().enumerate() {
        if reused.outcome != RenewalOutcome::Reused {
            continue;
        }
        let before = timeline.renewals.get(..index).unwrap_or_default();
        if !has_cause(timeline, before, reused) {
            let what =
                format!("a refresh token of {} (login {}) was sent twice", reused.user, reused.sid);
            found.push(Violation { law: Law::TokenOnce, at: reused.at, what });
        }
    }
}

fn has_cause(timeline: &Timeline<'_>, before: &[&Renewal], reused: &Renewal) -> bool {
    let mut of_login = before.iter().rev().filter(|renewal| renewal.sid == reused.sid);
    // The record of a lost answer follows that of its rotation.
    let Some(last) = of_login.next() else { return false };
    last.outcome == RenewalOutcome::Lost
        || is_interrupted(timeline, last.at)
        // Frozen after its last check, a process sends what another one has renewed.
        || was_frozen(timeline, reused.at.saturating_sub(AFTER), reused.at)
}

/// Returns whether a process may have been interrupted between this rotation and its writing, which
/// an outage of the database delays.
fn is_interrupted(timeline: &Timeline<'_>, rotated: u64) -> bool {
    let (from, soon) = (rotated.saturating_sub(BEFORE), rotated + AFTER);
    let outages: Vec<&Fault> = timeline.faults.iter().copied().filter(is_outage).collect();
    let delaying = outages.iter().filter(|outage| overlaps(outage, from, soon));
    let to = delaying.map(|outage| outage.end + AFTER).max().unwrap_or_default().max(soon);
    // As long as a lease, an outage lets another process take over.
    let lease = millis(timeline.run.lease_ms);
    let is_long = |outage: &&Fault| outage.end - outage.start >= lease;
    was_frozen(timeline, from, to)
        || outages.into_iter().filter(is_long).any(|outage| overlaps(outage, from, to))
        || timeline
            .faults
            .iter()
            .any(|fault| fault.kind == FaultKind::Kill && (from..=to).contains(&fault.start))
}

fn was_frozen(timeline: &Timeline<'_>, from: u64, to: u64) -> bool {
    timeline.faults.iter().any(|fault| {
        fault.kind == FaultKind::Freeze
            && fault.end - fault.start >= LONG_FREEZE
            && overlaps(fault, from, to)
    })
}

fn is_outage(fault: &&Fault) -> bool {
    fault.kind.is_of_database()
}

fn overlaps(fault: &Fault, from: u64, to: u64) -> bool {
    fault.start <= to && fault.end >= from
}
