//! The login form.

use std::fmt::Write as _;

use axum::extract::rejection::RawFormRejection;
use axum::extract::{RawForm, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::authorize::{AuthorizationError, AuthorizationRequest};
use crate::ledger::{CodeGrant, Login, random_token};
use crate::page::{self, escape};
use crate::params::Params;
use crate::provider::Provider;
use crate::user::accepted_name;

/// The parameters of the authorization request that the form repeats. They are checked again.
const CARRIED: [&str; 11] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "acr_values",
    "resource",
];

/// Signs in the user named by `login_hint`, or shows the form; `prompt=none` never shows it.
pub(crate) fn ask(provider: &Provider, request: AuthorizationRequest, params: &Params) -> Response {
    let hinted = request.login_hint.clone().filter(|_| provider.settings().auto_login);
    if let Some(name) = hinted.as_deref().and_then(accepted_name) {
        return sign_in(provider, request, name);
    }
    if request.is_silent {
        return AuthorizationError::Redirect(
            request.target,
            "login_required",
            "the user has to sign in",
        )
        .into_response(provider.issuer());
    }
    form(provider, params, request.login_hint.as_deref().unwrap_or_default(), None)
}

/// `POST /login`: the submitted form.
pub(crate) async fn login(
    State(provider): State<Provider>,
    form: Result<RawForm, RawFormRejection>,
) -> Response {
    let Ok(RawForm(encoded)) = form else {
        return AuthorizationError::Page("The request is not a form.")
            .into_response(provider.issuer());
    };
    let params = Params::parse(&encoded);
    let request = match AuthorizationRequest::parse(&provider, &params) {
        Ok(request) => request,
        Err(rejection) => return rejection.into_response(provider.issuer()),
    };
    if params.value("action") == Some("cancel") {
        return AuthorizationError::Redirect(
            request.target,
            "access_denied",
            "the user cancelled the sign-in",
        )
        .into_response(provider.issuer());
    }
    let typed = params.value("username").unwrap_or_default();
    match accepted_name(typed) {
        Some(name) => sign_in(&provider, request, name),
        None => self::form(&provider, &params, typed, Some("Please enter a name.")),
    }
}

fn sign_in(provider: &Provider, request: AuthorizationRequest, name: &str) -> Response {
    let settings = provider.settings();
    let age = i64::try_from(settings.authentication_age.as_millis()).unwrap_or(i64::MAX);
    let now = provider.clock.now();
    let login = Login {
        acr: request.acr.filter(|_| settings.honours_acr_values),
        auth_time: now.saturating_sub(age),
        client_id: request.client_id,
        nonce: request.nonce,
        resource: request.resource,
        scope: request.scope,
        sid: random_token(),
        user: provider.user(name),
    };
    let redirect_uri = request.target.redirect_uri.clone();
    let code = provider.ledger().issue_code(CodeGrant {
        issued_at: now,
        challenge: request.challenge,
        login,
        redirect_uri,
    });
    request.target.redirect(provider.issuer(), &[("code", &code)])
}

fn form(provider: &Provider, params: &Params, name: &str, error: Option<&str>) -> Response {
    let error = error.map(|text| format!("<p class=\"error\" role=\"alert\">{}</p>", escape(text)));
    let (status, error) = match error {
        Some(error) => (StatusCode::BAD_REQUEST, error),
        None => (StatusCode::OK, String::new()),
    };
    let body = format!(
        "{error}<p>to continue to <strong>{}</strong></p>\
         <form method=\"post\" action=\"login\">{}\
         <label for=\"username\">Name</label>\
         <input id=\"username\" name=\"username\" value=\"{}\" list=\"users\" autocomplete=\"username\" autofocus>\
         <datalist id=\"users\">{}</datalist>\
         <button type=\"submit\">Sign in</button>\
         <button type=\"submit\" name=\"action\" value=\"cancel\">Cancel</button></form>",
        escape(params.value("client_id").unwrap_or_default()),
        carried(params),
        escape(name),
        offered(provider),
    );
    page::page(status, "Sign in", &body)
}

fn carried(params: &Params) -> String {
    CARRIED.iter().filter_map(|name| Some((name, params.value(name)?))).fold(
        String::new(),
        |mut html, (name, value)| {
            // Writing to a string cannot fail.
            let _ =
                write!(html, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value));
            html
        },
    )
}

fn offered(provider: &Provider) -> String {
    provider.users.values().fold(String::new(), |mut html, user| {
        // Writing to a string cannot fail.
        let _ = write!(
            html,
            "<option value=\"{}\">{}</option>",
            escape(&user.subject),
            escape(&user.name)
        );
        html
    })
}
