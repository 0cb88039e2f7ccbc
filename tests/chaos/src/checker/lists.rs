//! A list has every live session of the user, no other, and never more than the cap.

use super::timeline::{Login, Timeline};
use super::{Law, Violation};
use crate::history::{Action, Operation};

pub(super) fn check(timeline: &Timeline<'_>, found: &mut Vec<Violation>) {
    let is_list =
        |operation: &&&Operation| operation.action == Action::List && operation.status == Some(200);
    for list in timeline.operations.iter().filter(is_list) {
        let mut name = |law, what| found.push(Violation { law, at: list.end, what });
        if list.listed.len() > timeline.run.cap {
            let (user, count, cap) = (&list.user, list.listed.len(), timeline.run.cap);
            name(Law::Cap, format!("{user} has {count} sessions, the cap is {cap}"));
        }
        for session in &list.listed {
            if let Some(what) = wrong(timeline, list, session) {
                name(Law::List, what);
            }
        }
        for login in timeline.of_user(&list.user).filter(|login| is_missing(timeline, list, login))
        {
            let user = &list.user;
            name(Law::List, format!("login {} of {user} is live and not listed", login.number));
        }
    }
}

/// Returns why a session should not be in the list.
fn wrong(timeline: &Timeline<'_>, list: &Operation, session: &str) -> Option<String> {
    let login = timeline.logins.get(timeline.by_session.get(session)?)?;
    let (number, owner) = (login.number, &login.sign_in.user);
    if *owner != list.user {
        return Some(format!("login {number} of {owner} is listed for {}", list.user));
    }
    // A list is read from the database.
    let is_over = login.over_at()? + timeline.replication() < list.start;
    is_over.then(|| format!("login {number} of {owner} is over and listed"))
}

/// Returns whether a login that was live before and after the list is not in it.
fn is_missing(timeline: &Timeline<'_>, list: &Operation, login: &Login<'_>) -> bool {
    let Some(session) = login.session else { return false };
    let was_known = login.is_confirmed && login.sign_in.end + timeline.replication() < list.start;
    // Served from a cache it may be over, for as long as the bound.
    let is_live_after =
        login.last_served.is_some_and(|served| served > list.end + timeline.bound() * 2);
    was_known && is_live_after && !list.listed.iter().any(|listed| listed == session)
}
