//! `GET /callback`: completes the sign-in.

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
use session_core::session::DeviceLabel;
use session_core::{TokenResponse, TokenSet, UserId};
use session_tower::{CookieUpdate, PresentedCookie};

use crate::error_response::ErrorResponse;
use crate::page;
use crate::state::{AppState, wants_page};

/// Completes a sign-in: creates a session and sets its cookie.
pub(crate) async fn callback(
    State(state): State<Arc<AppState>>,
    RawQuery(query): RawQuery,
    cookie: Option<PresentedCookie>,
    headers: HeaderMap,
) -> Response {
    let callback = Callback::from_query(query.as_deref().unwrap_or_default());
    let started_as = callback.state.clone().unwrap_or_default();
    let Some((pending, removal)) = state.pending.take(&started_as, &headers) else {
        return failed(&UNKNOWN, &headers);
    };
    let signed_in = match state.provider.openid.complete(pending, callback).await {
        Ok(outcome) => sign_in(&state, outcome, cookie, &headers).await,
        Err(error) => Err(not_completed(&error)),
    };
    let forget = AppendHeaders([(SET_COOKIE, removal)]);
    match signed_in {
        Ok(signed_in) => {
            let update = CookieUpdate::signed_in(&signed_in);
            (forget, update, Redirect::to("/")).into_response()
        }
        Err(error) => (forget, failed(&error, &headers)).into_response(),
    }
}

const UNKNOWN: ErrorResponse = ErrorResponse::sign_in(
    "unknown_sign_in",
    "This sign-in was not started in this browser, or has already ended.",
);

/// Admits the session. The user id is the provider's `sub`, the only name that is never reassigned.
async fn sign_in(
    state: &Arc<AppState>,
    outcome: SignInOutcome,
    cookie: Option<PresentedCookie>,
    headers: &HeaderMap,
) -> Result<SignedIn, ErrorResponse> {
    const NO_USER: ErrorResponse =
        ErrorResponse::sign_in("no_subject", "The identity provider sent no user id.");
    let subject = outcome.identity.subject.as_ref().ok_or(NO_USER)?;
    let user = UserId::new(subject.as_str()).map_err(|_| NO_USER)?;
    let sign_in = SignIn::new(&user, &state.provider.name, outcome.tokens.clone())
        .identity(outcome.identity)
        .device(device(headers))
        .supersedes(cookie.iter().flat_map(PresentedCookie::digests));
    let signed_in = state.manager.sign_in(sign_in).await;
    signed_in.map_err(|error| {
        if matches!(error.kind(), ManagerErrorKind::LimitReached { .. }) {
            revoke(state, outcome.tokens);
        }
        error.into()
    })
}

fn device(headers: &HeaderMap) -> DeviceLabel {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.filter(|agent| !agent.is_empty()).map(DeviceLabel::from_user_agent).unwrap_or_default()
}

/// Revokes the tokens of a rejected sign-in, unless that would sign other devices out (F38).
fn revoke(state: &Arc<AppState>, tokens: TokenResponse) {
    let openid = Arc::clone(&state.provider.openid);
    let tokens = TokenSet::new(tokens, state.manager.now(), Duration::ZERO);
    let Some(token) = tokens.refresh_token().map(SecretString::from) else { return };
    if openid.revocation_scope() == RevocationScope::Token {
        tokio::spawn(async move {
            if let Err(error) = openid.revoke(&token).await {
                tracing::warn!(%error, "the tokens of a rejected sign-in were not revoked");
            }
        });
    }
}

fn not_completed(error: &SignInError) -> ErrorResponse {
    tracing::info!(%error, "a sign-in failed");
    match error.kind() {
        _ if error.is_transient() => {
            ErrorResponse::unavailable("The identity provider cannot be reached right now.", None)
        }
        SignInErrorKind::Denied => {
            ErrorResponse::sign_in("access_denied", "The identity provider did not sign you in.")
        }
        SignInErrorKind::Expired => {
            ErrorResponse::sign_in("sign_in_expired", "The sign-in took too long.")
        }
        _ => ErrorResponse::sign_in("sign_in_failed", "The sign-in failed."),
    }
}

fn failed(error: &ErrorResponse, headers: &HeaderMap) -> Response {
    if wants_page(headers) { page::error(error) } else { error.clone().into_response() }
}
