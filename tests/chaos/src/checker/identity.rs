//! No session is answered to another user, or to another login of the same user.

use super::timeline::{Timeline, is_served};
use super::{Law, Violation};
use crate::history::{Action, Operation};

pub(super) fn check(timeline: &Timeline<'_>, found: &mut Vec<Violation>) {
    for operation in timeline.operations.iter().filter(|operation| is_served(operation)) {
        if let Some(what) = foreign(timeline, operation) {
            found.push(Violation { law: Law::OwnSession, at: operation.end, what });
        }
    }
}

fn foreign(timeline: &Timeline<'_>, operation: &Operation) -> Option<String> {
    let (number, login) = (operation.login?, timeline.presented(operation)?);
    let user = &operation.user;
    if let Some(answered) = operation.answered_user.as_ref().filter(|answered| *answered != user) {
        return Some(format!("login {number} of {user} was answered as {answered}"));
    }
    if operation.action != Action::Me {
        return None;
    }
    let session = operation.session.as_deref()?;
    let owner = timeline.by_session.get(session).copied();
    let is_own = owner == Some(number) && login.session == Some(session);
    (!is_own).then(|| format!("login {number} of {user} was answered with session {session}"))
}
