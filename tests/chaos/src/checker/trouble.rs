//! Errors come only from faults, are felt only where the fault is, and end soon after it.

use super::timeline::Timeline;
use super::{Law, Violation, millis};
use crate::history::{Action, Fault, FaultKind, Operation};

/// Within which time everything is in order after a fault.
const HEALED: u64 = millis(5_000);

/// For how long a renewal may wait after trouble with the provider.
const PAUSE: u64 = millis(20_000);

pub(super) fn check(timeline: &Timeline<'_>, found: &mut Vec<Violation>) {
    for operation in timeline.operations.iter().filter(|operation| is_error(operation)) {
        let is_excused = is_outage(operation)
            && timeline
                .faults
                .iter()
                .filter(|fault| !operation.is_final || fault.kind == FaultKind::Stall)
                .any(|fault| excuses(timeline, fault, operation));
        if !is_excused {
            let answer = operation.status.map_or("no answer".to_owned(), |s| s.to_string());
            let (action, process) = (operation.action, operation.process);
            let what =
                format!("{action:?} at process {process}: {answer}, with nothing broken there");
            found.push(Violation { law: Law::Healthy, at: operation.end, what });
        }
    }
}

/// A 401 is another law's question.
fn is_error(operation: &Operation) -> bool {
    match (operation.action, operation.status) {
        (_, Some(200..=299 | 401)) | (Action::End, Some(404)) => false,
        (Action::SignIn, Some(300..=399)) => operation.callback.is_none(),
        _ => true,
    }
}

/// Returns whether the answer is one that an outage may give.
fn is_outage(operation: &Operation) -> bool {
    match operation.status {
        None | Some(502 | 503) => true,
        // The code was spent by a first try that failed later.
        Some(400) => operation.action == Action::SignIn,
        _ => false,
    }
}

fn excuses(timeline: &Timeline<'_>, fault: &Fault, operation: &Operation) -> bool {
    let lease = millis(timeline.run.lease_ms);
    let after = match (fault.process, operation.action) {
        _ if fault.kind == FaultKind::Stall => Some(HEALED),
        // The lease of a renewal that was interrupted has to run out.
        (Some(_), Action::Tool) => Some(lease + HEALED),
        (Some(process), _) if process == operation.process => Some(HEALED),
        // An interrupted transaction holds its locks.
        (Some(_), Action::Me | Action::List) => None,
        (Some(_), _) => Some(HEALED),
        (None, Action::Tool) => Some(HEALED + PAUSE),
        (None, Action::SignIn) => touches_sign_ins(fault.kind).then_some(HEALED),
        (None, _) => None,
    };
    after.is_some_and(|after| operation.end >= fault.start && operation.start <= fault.end + after)
}

fn touches_sign_ins(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::SlowProvider | FaultKind::FailingProvider | FaultKind::BusyProvider)
}
