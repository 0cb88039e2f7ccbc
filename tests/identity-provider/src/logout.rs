//! The logout endpoint.

use axum::extract::rejection::RawFormRejection;
use axum::extract::{RawForm, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Redirect, Response};
use url::Url;

use crate::id_token;
use crate::page;
use crate::params::Params;
use crate::provider::Provider;

/// `GET` and `POST /logout` (RP-Initiated Logout 1.0): ends the login that `id_token_hint` names.
///
/// Without a hint nothing is ended, because the provider keeps no browser sessions.
pub(crate) async fn logout(
    State(provider): State<Provider>,
    form: Result<RawForm, RawFormRejection>,
) -> Response {
    match form.map_err(|_| "The request is not a form.").and_then(|RawForm(encoded)| {
        let params = Params::parse(&encoded);
        answer(&provider, &params)
    }) {
        Ok(response) => response,
        Err(text) => page::message(StatusCode::BAD_REQUEST, "This sign-out cannot continue", text),
    }
}

fn answer(provider: &Provider, params: &Params) -> Result<Response, &'static str> {
    if params.has_repetition() {
        return Err("A parameter is repeated.");
    }
    let hinted = match params.value("id_token_hint") {
        Some(hint) => Some(
            id_token::verify_hint(provider, hint)
                .ok_or("The ID token was not issued by this provider.")?,
        ),
        None => None,
    };
    let named = params.value("client_id");
    let audience = hinted.as_ref().map(|(_, client_id)| client_id.as_str());
    if named.is_some() && audience.is_some() && named != audience {
        return Err("The ID token was issued to another client.");
    }
    // Checked first, so that a rejected request has no effect.
    let target = target(provider, audience.or(named), params)?;
    if let Some((sid, _)) = &hinted {
        provider.ledger().end_family(sid);
    }
    Ok(match target {
        Some(target) => {
            ([(CACHE_CONTROL, "no-store")], Redirect::to(target.as_str())).into_response()
        }
        None => page::message(StatusCode::OK, "Signed out", "You may close this page."),
    })
}

/// Returns where to redirect to: only to a URI that is registered for the client.
fn target(
    provider: &Provider,
    client_id: Option<&str>,
    params: &Params,
) -> Result<Option<Url>, &'static str> {
    let Some(requested) = params.value("post_logout_redirect_uri") else {
        return Ok(None);
    };
    let client = client_id.and_then(|id| provider.clients.get(id));
    client
        .filter(|client| client.accepts_post_logout_redirect(requested))
        .ok_or("The redirect URI is not registered.")?;
    let mut url = Url::parse(requested).map_err(|_| "The redirect URI is not registered.")?;
    if let Some(state) = params.value("state") {
        url.query_pairs_mut().append_pair("state", state);
    }
    Ok(Some(url))
}
