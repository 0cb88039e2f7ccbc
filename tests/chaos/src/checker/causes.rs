//! Each 401 has a cause in the history, so that no confirmed login is lost.

use std::collections::BTreeMap;

use super::timeline::{END_REASONS, Login, Timeline};
use super::{Law, Violation};
use crate::history::{Action, Operation, RenewalOutcome};

pub(super) fn check(timeline: &Timeline<'_>, found: &mut Vec<Violation>) {
    // The first answer with a reason is the hardest to explain.
    let mut first: BTreeMap<(u32, &str), &Operation> = BTreeMap::new();
    let mut name = |at, what| found.push(Violation { law: Law::LoginKept, at, what });
    for operation in timeline.operations.iter().filter(|operation| operation.status == Some(401)) {
        let reason = operation.reason.as_deref().unwrap_or("no reason");
        match operation.login {
            Some(number) => drop(first.entry((number, reason)).or_insert(*operation)),
            None => {
                name(operation.end, format!("browser {} was asked to sign in", operation.browser))
            }
        }
    }
    for ((number, reason), operation) in &first {
        let Some(login) = timeline.logins.get(number) else { continue };
        let user = &operation.user;
        if !has_cause(timeline, login, operation, reason) {
            let what = format!("login {number} of {user} is over ({reason}), without a cause");
            name(operation.end, what);
        }
        // A session ends once, with one reason.
        let mut others = END_REASONS.iter().filter(|other| *other > reason);
        let is_end = END_REASONS.contains(reason);
        if let Some(other) = others.find(|other| is_end && first.contains_key(&(*number, **other)))
        {
            let what = format!("login {number} of {user} ended twice: {reason} and {other}");
            name(operation.end, what);
        }
    }
}

fn has_cause(timeline: &Timeline<'_>, login: &Login<'_>, seen: &Operation, reason: &str) -> bool {
    match reason {
        "signed_out" => timeline.ending(&login.sign_in.user).any(|operation| {
            operation.action == Action::SignOut
                && operation.login == Some(login.number)
                && operation.start < seen.end
        }),
        "revoked_by_user" => is_revoked(timeline, login, seen),
        "evicted" => is_evicted(timeline, login, seen),
        "renewal_refused" => is_refused(timeline, login, seen),
        "no_session" | "superseded" => timeline.of_user(&login.sign_in.user).any(|later| {
            later.sign_in.login == Some(login.number) && later.sign_in.start < seen.end
        }),
        _ => false,
    }
}

/// Returns whether another device may have ended it. One without an answer may end it later.
fn is_revoked(timeline: &Timeline<'_>, login: &Login<'_>, seen: &Operation) -> bool {
    timeline.ending(&login.sign_in.user).any(|operation| {
        let is_target = match operation.action {
            Action::End => match login.session {
                Some(session) => operation.session.as_deref() == Some(session),
                // A session whose id was never told may have been in a list.
                None => true,
            },
            Action::EndOthers => operation.login != Some(login.number),
            _ => false,
        };
        is_target && operation.start < seen.end
    })
}

/// Returns whether a later sign-in may have needed its place: with that one, as many later sessions
/// as the cap must possibly have been live.
fn is_evicted(timeline: &Timeline<'_>, login: &Login<'_>, seen: &Operation) -> bool {
    let later: Vec<&Login<'_>> = timeline
        .of_user(&login.sign_in.user)
        .filter(|other| other.number != login.number)
        .filter(|other| other.admitted_by() >= login.sign_in.start)
        .filter(|other| other.sign_in.start < seen.end)
        .collect();
    later.iter().any(|cause| {
        let is_live = |other: &&&Login<'_>| {
            let is_over = other.over_at().is_some_and(|over| over < cause.sign_in.start);
            other.sign_in.start <= cause.admitted_by() && !is_over
        };
        later.iter().filter(is_live).count() >= timeline.run.cap
    })
}

/// Returns whether the provider saw a refresh token of this login twice. Whether that has a cause is
/// another law's question.
fn is_refused(timeline: &Timeline<'_>, login: &Login<'_>, seen: &Operation) -> bool {
    timeline.renewals.iter().any(|renewal| {
        let is_of_login = match login.sids.is_empty() {
            true => renewal.user == login.sign_in.user,
            false => login.sids.contains(renewal.sid.as_str()),
        };
        // The provider's clock counts milliseconds.
        let is_before = renewal.at <= seen.end + super::millis(2);
        renewal.outcome == RenewalOutcome::Reused && is_of_login && is_before
    })
}
