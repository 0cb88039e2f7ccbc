//! `GET /callback`: back from the provider, and in.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::{SET_COOKIE, USER_AGENT};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use secrecy::SecretString;
use session_core::manager::{ManagerErrorKind, SignIn, SignedIn};
use session_core::provider::openid::{Callback, SignInError, SignInErrorKind, SignInOutcome};
use session_core::provider::{Provider as _, RevocationScope};
use session_core::session::{DeviceLabel, SecretDigest};
use session_core::{TokenResponse, TokenSet, UserId};
use session_tower::{CookieUpdate, PresentedCookie};

use crate::page;
use crate::refusal::Refusal;
use crate::site::{Site, wants_page};

/// Completes a sign-in: one more session, and the cookie for it.
pub(crate) async fn callback(
    State(site): State<Arc<Site>>,
    RawQuery(query): RawQuery,
    cookie: Option<PresentedCookie>,
    headers: HeaderMap,
) -> Response {
    let callback = Callback::from_query(query.as_deref().unwrap_or_default());
    let state = callback.state.clone().unwrap_or_default();
    let Some((pending, removal)) = site.pending.take(&state, &headers) else {
        return refused(&UNKNOWN, &headers);
    };
    let supersedes = cookie.map(|cookie| cookie.digest());
    let signed_in = match site.identity.openid.complete(pending, callback).await {
        Ok(outcome) => sign_in(&site, outcome, supersedes, &headers).await,
        Err(error) => Err(not_completed(&error)),
    };
    let forget = AppendHeaders([(SET_COOKIE, removal)]);
    match signed_in {
        Ok(signed_in) => {
            let change = CookieUpdate::signed_in(&signed_in);
            (forget, change, Redirect::to("/")).into_response()
        }
        Err(refusal) => (forget, refused(&refusal, &headers)).into_response(),
    }
}

const UNKNOWN: Refusal = Refusal::sign_in(
    "unknown_sign_in",
    "This sign-in was not begun in this browser, or is over by now.",
);

/// The user id is the provider's `sub`: the only name of a person that never changes hands.
async fn sign_in(
    site: &Arc<Site>,
    outcome: SignInOutcome,
    supersedes: Option<SecretDigest>,
    headers: &HeaderMap,
) -> Result<SignedIn, Refusal> {
    const NO_USER: Refusal =
        Refusal::sign_in("no_subject", "The identity provider does not say who you are.");
    let subject = outcome.identity.subject.as_ref().ok_or(NO_USER)?;
    let user = UserId::new(subject.as_str()).map_err(|_| NO_USER)?;
    let sign_in = SignIn::new(&user, &site.identity.name, outcome.tokens.clone())
        .identity(outcome.identity)
        .device(device(headers))
        .supersedes(supersedes);
    let signed_in = site.manager.sign_in(sign_in).await;
    signed_in.map_err(|error| {
        if matches!(error.kind(), ManagerErrorKind::LimitReached { .. }) {
            give_back(site, outcome.tokens);
        }
        error.into()
    })
}

fn device(headers: &HeaderMap) -> DeviceLabel {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.filter(|agent| !agent.is_empty()).map(DeviceLabel::from_user_agent).unwrap_or_default()
}

/// Revokes tokens that no session holds; not where that would sign other devices out (F38).
fn give_back(site: &Arc<Site>, tokens: TokenResponse) {
    let openid = Arc::clone(&site.identity.openid);
    let tokens = TokenSet::new(tokens, site.manager.now(), Duration::ZERO);
    let Some(token) = tokens.refresh_token().map(SecretString::from) else { return };
    if openid.revocation_scope() == RevocationScope::Token {
        tokio::spawn(async move {
            if let Err(error) = openid.revoke(&token).await {
                tracing::warn!(%error, "the tokens of a refused sign-in were not revoked");
            }
        });
    }
}

fn not_completed(error: &SignInError) -> Refusal {
    tracing::info!(%error, "a sign-in came to nothing");
    match error.kind() {
        _ if error.is_transient() => {
            Refusal::unavailable("The identity provider cannot be reached now.", None)
        }
        SignInErrorKind::Denied => {
            Refusal::sign_in("access_denied", "The identity provider did not sign you in.")
        }
        SignInErrorKind::Expired => {
            Refusal::sign_in("sign_in_expired", "The sign-in took too long.")
        }
        _ => Refusal::sign_in("sign_in_failed", "The sign-in came to nothing."),
    }
}

fn refused(refusal: &Refusal, headers: &HeaderMap) -> Response {
    if wants_page(headers) { page::refusal(refusal) } else { refusal.clone().into_response() }
}
