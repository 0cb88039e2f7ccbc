//! An end is seen at once where it was confirmed, and everywhere within the bound.

use super::timeline::{Login, Timeline, is_served};
use super::{Law, Violation, millis};
use crate::history::Operation;

pub(super) fn check(timeline: &Timeline<'_>, found: &mut Vec<Violation>) {
    for operation in timeline.operations.iter().filter(|operation| is_served(operation)) {
        let Some(login) = timeline.presented(operation) else { continue };
        let dead_since = [at_same_process(login, operation), anywhere(timeline, login, operation)];
        if let Some(since) = dead_since.into_iter().flatten().min() {
            let late = operation.start - since;
            let what = format!(
                "process {} served login {} of {} {} ms after its end was bound to be seen",
                operation.process,
                login.number,
                operation.user,
                late / 1_000,
            );
            found.push(Violation { law: Law::EndKept, at: operation.end, what });
        }
    }
}

fn at_same_process(login: &Login<'_>, operation: &Operation) -> Option<u64> {
    login.over.get(&operation.process).copied().filter(|over| *over < operation.start)
}

fn anywhere(timeline: &Timeline<'_>, login: &Login<'_>, operation: &Operation) -> Option<u64> {
    let over = login.over_at()?;
    let wait = millis(timeline.run.store_timeout_ms);
    // A row that was read before the end may have been on its way for so long.
    let is_cut_off =
        timeline.is_cut_off(operation.process, over.saturating_sub(wait), operation.end);
    let bound = timeline.bound() + if is_cut_off { wait } else { 0 };
    Some(over + bound).filter(|since| *since < operation.start)
}
