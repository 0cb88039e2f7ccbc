//! The authorization endpoint: parses and checks an authorization request (RFC 6749, 4.1.1).

use axum::extract::rejection::RawFormRejection;
use axum::extract::{RawForm, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, REFERRER_POLICY};
use axum::response::{IntoResponse, Redirect, Response};
use openidconnect::IssuerUrl;
use url::Url;

use crate::client::Client;
use crate::login;
use crate::page;
use crate::params::Params;
use crate::provider::Provider;

/// The supported scopes; others are ignored (OpenID Connect Core, 3.1.2.1).
pub(crate) const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// `GET` and `POST /authorize`.
pub(crate) async fn authorize(
    State(provider): State<Provider>,
    form: Result<RawForm, RawFormRejection>,
) -> Response {
    let Ok(RawForm(encoded)) = form else {
        return AuthorizationError::Page("The request is not a form.")
            .into_response(provider.issuer());
    };
    let params = Params::parse(&encoded);
    match AuthorizationRequest::parse(&provider, &params) {
        Ok(request) => login::ask(&provider, request, &params),
        Err(rejection) => rejection.into_response(provider.issuer()),
    }
}

/// A valid authorization request.
pub(crate) struct AuthorizationRequest {
    /// The first of the `acr_values`.
    pub(crate) acr: Option<String>,
    /// The `S256` challenge.
    pub(crate) challenge: Option<String>,
    pub(crate) client_id: String,
    pub(crate) is_silent: bool,
    pub(crate) login_hint: Option<String>,
    pub(crate) nonce: Option<String>,
    /// What the tokens are for (RFC 8707).
    pub(crate) resource: Option<String>,
    pub(crate) target: RedirectTarget,
    pub(crate) scope: Vec<String>,
}

/// The validated redirect URI of the response, with the `state`.
pub(crate) struct RedirectTarget {
    pub(crate) redirect_uri: String,
    state: Option<String>,
    uses_form_post: bool,
}

/// Why an authorization request is rejected.
pub(crate) enum AuthorizationError {
    /// Shown to the user: the redirect URI is not verified, so no redirect is sent.
    Page(&'static str),
    /// Sent to the client in a redirect.
    Redirect(RedirectTarget, &'static str, &'static str),
}

impl AuthorizationRequest {
    pub(crate) fn parse(provider: &Provider, params: &Params) -> Result<Self, AuthorizationError> {
        let client = client_of(provider, params)?;
        let target = RedirectTarget::parse(client, params)?;
        if let Err((error, description)) = check(client, params) {
            return Err(AuthorizationError::Redirect(target, error, description));
        }
        Ok(Self {
            acr: params.value("acr_values").and_then(first_word),
            challenge: params.value("code_challenge").map(str::to_owned),
            client_id: client.id.clone(),
            is_silent: params.value("prompt") == Some("none"),
            login_hint: params.value("login_hint").map(str::to_owned),
            nonce: params.value("nonce").map(str::to_owned),
            resource: params.value("resource").map(str::to_owned),
            target,
            scope: scopes(params.value("scope").unwrap_or_default()),
        })
    }
}

impl RedirectTarget {
    fn parse(client: &Client, params: &Params) -> Result<Self, AuthorizationError> {
        if params.is_repeated("redirect_uri") {
            return Err(AuthorizationError::Page("The request has two redirect URIs."));
        }
        let redirect_uri = params.value("redirect_uri").filter(|uri| client.accepts_redirect(uri));
        let redirect_uri =
            redirect_uri.ok_or(AuthorizationError::Page("The redirect URI is not registered."))?;
        Ok(Self {
            redirect_uri: redirect_uri.to_owned(),
            state: params.value("state").map(str::to_owned),
            uses_form_post: params.value("response_mode") == Some("form_post"),
        })
    }

    /// Sends the browser to the client with these parameters, the `state` and the `iss` (RFC 9207).
    pub(crate) fn redirect(&self, issuer: &IssuerUrl, params: &[(&str, &str)]) -> Response {
        let Ok(mut url) = Url::parse(&self.redirect_uri) else {
            return AuthorizationError::Page("The redirect URI is not registered.")
                .into_response(issuer);
        };
        let state = self.state.as_deref().map(|state| ("state", state));
        if self.uses_form_post {
            let answer = params.iter().copied().chain(state).chain([("iss", issuer.as_str())]);
            return page::form_post(&self.redirect_uri, answer);
        }
        url.query_pairs_mut()
            .extend_pairs(params)
            .extend_pairs(state)
            .append_pair("iss", issuer.as_str());
        let headers = [(CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")];
        // 303, so that no browser sends the login form on to the client (RFC 9700, 4.12).
        (headers, Redirect::to(url.as_str())).into_response()
    }
}

impl AuthorizationError {
    pub(crate) fn into_response(self, issuer: &IssuerUrl) -> Response {
        match self {
            Self::Page(text) => {
                page::message(StatusCode::BAD_REQUEST, "This sign-in cannot continue", text)
            }
            Self::Redirect(to, error, description) => {
                to.redirect(issuer, &[("error", error), ("error_description", description)])
            }
        }
    }
}

/// Splits a `scope` value and keeps the supported scopes.
pub(crate) fn scopes(value: &str) -> Vec<String> {
    let asked: Vec<&str> = value.split(' ').collect();
    SCOPES.iter().filter(|scope| asked.contains(scope)).map(|scope| (*scope).to_owned()).collect()
}

fn first_word(text: &str) -> Option<String> {
    text.split(' ').next().filter(|word| !word.is_empty()).map(str::to_owned)
}

fn client_of<'a>(
    provider: &'a Provider,
    params: &Params,
) -> Result<&'a Client, AuthorizationError> {
    if params.is_repeated("client_id") {
        return Err(AuthorizationError::Page("The request has two client ids."));
    }
    let client = params.value("client_id").and_then(|id| provider.clients.get(id));
    client.ok_or(AuthorizationError::Page("The client is not registered."))
}

fn check(client: &Client, params: &Params) -> Result<(), (&'static str, &'static str)> {
    if params.has_repetition() {
        return Err(("invalid_request", "a parameter is repeated"));
    }
    if params.value("request").is_some() {
        return Err(("request_not_supported", "request objects are not supported"));
    }
    if params.value("request_uri").is_some() {
        return Err(("request_uri_not_supported", "request objects are not supported"));
    }
    match params.value("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(("unsupported_response_type", "only response_type=code is supported"));
        }
        None => return Err(("invalid_request", "response_type is missing")),
    }
    if params.value("response_mode").is_some_and(|mode| mode != "query" && mode != "form_post") {
        return Err(("invalid_request", "only response_mode=query and form_post are supported"));
    }
    check_resource(params)?;
    check_challenge(client, params)
}

/// A resource is an absolute URI without a fragment (RFC 8707, 2).
fn check_resource(params: &Params) -> Result<(), (&'static str, &'static str)> {
    let resource = params.value("resource").map(Url::parse);
    match resource.is_none_or(|url| url.is_ok_and(|url| url.fragment().is_none())) {
        true => Ok(()),
        false => Err(("invalid_target", "resource is not an absolute URI without a fragment")),
    }
}

/// PKCE with `S256` (RFC 7636): required of public clients, checked for all.
fn check_challenge(client: &Client, params: &Params) -> Result<(), (&'static str, &'static str)> {
    match (params.value("code_challenge"), params.value("code_challenge_method")) {
        (Some(challenge), Some("S256")) if is_sha256_base64url(challenge) => Ok(()),
        (Some(_), Some("S256")) => {
            Err(("invalid_request", "code_challenge is not a SHA-256 in base64url"))
        }
        // Left out, the method means `plain` (RFC 7636, 4.3).
        (Some(_), _) => Err(("invalid_request", "only code_challenge_method=S256 is supported")),
        (None, Some(_)) => Err(("invalid_request", "code_challenge is missing")),
        (None, None) if client.is_public() => {
            Err(("invalid_request", "a public client needs a code_challenge"))
        }
        (None, None) => Ok(()),
    }
}

fn is_sha256_base64url(challenge: &str) -> bool {
    challenge.len() == 43
        && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
