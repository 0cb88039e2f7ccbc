//! What browsers and applications ask of a node.

use session_core::manager::{Resolution, SignIn};
use session_core::testing::{ScriptedProvider, sample};
use session_core::{SessionManager, UserId};

use crate::history::{Confirmed, History};
use crate::provider::learn_grant;

fn user(number: usize) -> UserId {
    sample::user(&format!("user-{number}"))
}

/// Signs a user in, in a browser that may hold another session.
pub(crate) async fn sign_in(
    manager: SessionManager,
    history: History,
    provider: ScriptedProvider,
    number: usize,
    before: Option<Confirmed>,
) {
    let response = provider.sign_in();
    let grant = learn_grant(&history, &response, None);
    *history.lock().sign_ins.entry(number).or_default() += 1;
    let mut sign_in = SignIn::new(&user(number), &sample::provider("okta"), response);
    if let Some(before) = before {
        history.lock().superseded.insert(before.id);
        sign_in = sign_in.supersedes([before.digest]);
    }
    let Ok(signed_in) = manager.sign_in(sign_in).await else { return };
    let (id, digest) = (signed_in.session.id, signed_in.secret.digest());
    let mut seen = history.lock();
    seen.counts.sign_ins += 1;
    seen.confirmed.push(Confirmed { id, user: number, digest, grant });
}

/// Calls with a session's cookie.
pub(crate) async fn resolve(manager: SessionManager, history: History, session: Confirmed) {
    let was_ended = history.lock().ended.contains(&session.id);
    let Ok(resolution) = manager.resolve(&session.digest, None).await else { return };
    match resolution {
        Resolution::Live(live) => {
            history.lock().counts.resolved += 1;
            let found = live.session();
            if found.id != session.id || found.user != user(session.user) {
                history.violation(format!("{} was answered as {}", session.id, found.id));
            }
            if was_ended {
                history.violation(format!("an end was undone: {} is live", session.id));
            }
            check_grant(&history, &session, live.tokens().access_token());
        }
        // What the same browser has superseded is unknown after a moment.
        Resolution::Unknown if !history.lock().superseded.contains(&session.id) => {
            history.violation(format!("a confirmed sign-in was lost: {}", session.id));
        }
        _ => {}
    }
}

/// Asks for an access token that is valid now.
pub(crate) async fn access_token(manager: SessionManager, history: History, session: Confirmed) {
    let tokens = manager.access_token(&user(session.user), session.id).await;
    if let Ok(tokens) = tokens {
        history.lock().counts.tokens += 1;
        check_grant(&history, &session, tokens.access_token());
    }
}

/// Ends a session from another device.
pub(crate) async fn end(manager: SessionManager, history: History, session: Confirmed) {
    history.lock().unwanted.insert(session.id);
    if manager.end_one(&user(session.user), session.id).await.is_ok() {
        let mut seen = history.lock();
        seen.counts.ends += 1;
        seen.ended.insert(session.id);
    }
}

fn check_grant(history: &History, session: &Confirmed, access_token: &str) {
    let grant = history.lock().grants.get(access_token).copied();
    if grant != Some(session.grant) {
        let id = session.id;
        history.violation(format!("{id} has the token of another: {access_token}"));
    }
}
