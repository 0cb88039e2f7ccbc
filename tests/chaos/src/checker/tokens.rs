//! No refresh token is sent twice, unless the answer with the new one was lost.

use super::timeline::Timeline;
use super::{Law, Violation, millis};
use crate::history::{FaultKind, Renewal, RenewalOutcome};

/// How long before a rotation its request may have been sent, and after it its answer was stored.
const BEFORE: u64 = millis(1_000);
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
            let what = format!("a refresh token of {} (login {}) was sent twice", reused.user, reused.sid);
            found.push(Violation { law: Law::TokenOnce, at: reused.at, what });
        }
    }
}

fn has_cause(timeline: &Timeline<'_>, before: &[&Renewal], reused: &Renewal) -> bool {
    let mut of_login = before.iter().rev().filter(|renewal| renewal.sid == reused.sid);
    // The record of a lost answer follows that of its rotation.
    let Some(last) = of_login.next() else { return false };
    last.outcome == RenewalOutcome::Lost
        || is_interrupted(timeline, last.at.saturating_sub(BEFORE), last.at + AFTER)
        // Frozen after its last check, a process sends what another one has renewed.
        || is_interrupted(timeline, reused.at.saturating_sub(AFTER), reused.at)
}

/// Returns whether a process may have been interrupted between the provider and the database. An
/// outage of the database delays the writing, and a kill that follows loses what was to be written.
fn is_interrupted(timeline: &Timeline<'_>, from: u64, to: u64) -> bool {
    let to = to + timeline.faults.iter().filter(|fault| overlaps(fault, from, to)).map(|fault| {
        let is_cut = matches!(fault.kind, FaultKind::CutDatabase | FaultKind::FreezeDatabase);
        if is_cut { fault.end.saturating_sub(to).max(AFTER) } else { 0 }
    }).max().unwrap_or_default();
    timeline.faults.iter().filter(|fault| overlaps(fault, from, to)).any(|fault| {
        let length = fault.end - fault.start;
        match fault.kind {
            FaultKind::Kill => fault.start <= to,
            FaultKind::Freeze => length >= LONG_FREEZE,
            FaultKind::CutDatabase | FaultKind::FreezeDatabase => {
                length >= millis(timeline.run.lease_ms)
            }
            _ => false,
        }
    })
}

fn overlaps(fault: &crate::history::Fault, from: u64, to: u64) -> bool {
    fault.start <= to && fault.end >= from
}
