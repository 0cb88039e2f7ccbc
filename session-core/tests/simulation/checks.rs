//! What must hold after every run, whatever happened.

use std::collections::HashMap;

use futures_util::FutureExt as _;
use session_core::store::memory::MemoryStore;
use session_core::store::{SessionLookup as _, StoredSession};
use session_core::testing::{ScriptedProvider, sample};
use session_core::{EndReason, Session, TokenSet};

use crate::history::{Confirmed, History, Seen, Sent};
use crate::node::{CAP, keyring};

/// Store law 1.
pub(crate) fn cap(sessions: &MemoryStore, users: usize, history: &History) {
    for user in 0..users {
        let user = sample::user(&format!("user-{user}"));
        let live = sessions.list(&user).now_or_never().unwrap().unwrap();
        let live = live.iter().filter(|session| session.is_live()).count();
        if live > CAP as usize {
            history.violation(format!("{live} sessions of {user}, more than the cap"));
        }
    }
}

/// Store law 3: the numbers of the scripted provider's tokens only grow.
pub(crate) fn newest(sessions: &MemoryStore, history: &History) {
    let confirmed = history.lock().confirmed.clone();
    for session in confirmed {
        let row = sessions.find(session.id).now_or_never().unwrap().unwrap();
        let Some(row) = row.filter(|row| row.session.is_live()) else { continue };
        let revision = row.session.revision;
        let known = history.lock().stored.get(&session.id).copied();
        if known.is_some_and(|(known, _)| known == revision) {
            continue;
        }
        let tokens = opened(&row);
        let number = tokens.refresh_token().unwrap_or_default().trim_start_matches("rt-");
        let number = number.parse().unwrap();
        history.lock().stored.insert(session.id, (revision, number));
        if known.is_some_and(|(_, before)| number < before) {
            history.violation(format!("a newer token was overwritten by rt-{number}"));
        }
    }
}

fn opened(row: &StoredSession) -> TokenSet {
    let Session { id, user, provider, .. } = &row.session;
    let sealed = row.tokens.as_ref().expect("a live session has tokens");
    TokenSet::open(sealed, &keyring(), *id, user, provider).unwrap()
}

/// Everything that is checked at the end.
pub(crate) fn all(sessions: &MemoryStore, provider: &ScriptedProvider, history: &History) {
    let mut seen = history.lock();
    let mut found = Vec::new();
    let again = resent(&seen, &mut found);
    let mut refused = 0;
    let mut evicted = 0;
    for session in &seen.confirmed {
        let row = sessions.find(session.id).now_or_never().unwrap().unwrap();
        let Some(row) = row else {
            found.push(format!("a confirmed sign-in was lost: {}", session.id));
            continue;
        };
        match row.session.ended {
            None => check_live(&seen, session, &row, provider, &mut found),
            Some(ended) => {
                refused += usize::from(ended.reason == EndReason::RenewalRefused);
                evicted += usize::from(ended.reason == EndReason::Evicted);
                check_ended(&seen, session, &row, ended.reason, &mut found);
            }
        }
    }
    seen.counts.sent_again += again;
    seen.counts.refused += refused;
    seen.counts.evictions += evicted;
    seen.violations.append(&mut found);
}

/// Store laws 4 and 5: a token is sent again only after a cause at the node that sent it before.
fn resent(seen: &Seen, found: &mut Vec<String>) -> usize {
    let mut last: HashMap<&str, &Sent> = HashMap::new();
    let mut again = 0;
    for sent in &seen.sent {
        let Some(before) = last.insert(&sent.token, sent) else { continue };
        again += 1;
        let has_cause = seen.causes.iter().any(|cause| {
            cause.node == before.node && (before.step..=sent.step).contains(&cause.step)
        });
        if !has_cause {
            let Sent { step, node, token } = sent;
            let (first, by) = (before.step, before.node);
            found.push(format!(
                "{token} was sent twice: by node {by} in step {first}, by node {node} in step {step}"
            ));
        }
    }
    again
}

/// Whether something has happened to a node after it sent a token of this grant.
fn has_cause(seen: &Seen, grant: usize) -> bool {
    let mut sent = seen.sent.iter().filter(|sent| seen.grants.get(&sent.token) == Some(&grant));
    sent.any(|sent| {
        seen.causes.iter().any(|cause| cause.node == sent.node && cause.step >= sent.step)
    })
}

/// Its end was not confirmed, and its refresh token is one that the provider accepts.
fn check_live(
    seen: &Seen,
    session: &Confirmed,
    row: &StoredSession,
    provider: &ScriptedProvider,
    found: &mut Vec<String>,
) {
    let id = session.id;
    if seen.ended.contains(&id) {
        found.push(format!("an end was undone: {id} is live"));
    }
    let tokens = opened(row);
    let refresh_token = tokens.refresh_token().unwrap_or_default();
    if seen.grants.get(refresh_token) != Some(&session.grant) {
        found.push(format!("{id} has the refresh token of another: {refresh_token}"));
    }
    if !provider.accepts(refresh_token) && !has_cause(seen, session.grant) {
        found.push(format!("a renewed token was lost: {id} has {refresh_token}"));
    }
}

/// Its end has a reason that someone gave, and left no token (store laws 7 and 11).
fn check_ended(
    seen: &Seen,
    session: &Confirmed,
    row: &StoredSession,
    reason: EndReason,
    found: &mut Vec<String>,
) {
    let id = session.id;
    let sign_ins = seen.sign_ins.get(&session.user).copied().unwrap_or_default();
    let is_explained = match reason {
        EndReason::RevokedByUser => seen.unwanted.contains(&id),
        EndReason::Superseded => seen.superseded.contains(&id),
        EndReason::Evicted => sign_ins > CAP as usize,
        EndReason::RenewalRefused => has_cause(seen, session.grant),
        _ => false,
    };
    if !is_explained {
        found.push(format!("{id} has ended without a cause: {reason:?}"));
    }
    if row.tokens.is_some() {
        found.push(format!("an ended session has tokens: an end was undone: {id}"));
    }
}
