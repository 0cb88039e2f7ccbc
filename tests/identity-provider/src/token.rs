//! The token endpoint.

use axum::Json;
use axum::extract::rejection::RawFormRejection;
use axum::extract::{RawForm, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use openidconnect::core::{
    CoreErrorResponseType, CoreGenderClaim, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm, CoreTokenType,
};
use openidconnect::{EmptyExtraTokenFields, IdTokenFields, Scope, StandardTokenResponse};
use serde_json::Value;

use crate::client_authentication::authenticate;
use crate::error_response::{ErrorResponse, NO_STORE};
use crate::fault::Endpoint;
use crate::fault_injection::respond_with_faults;
use crate::id_token::{self, Occasion, SessionClaims};
use crate::ledger::{Issued, Redemption};
use crate::params::Params;
use crate::provider::Provider;
use crate::renewal_record::RenewedLogin;
use crate::settings::Settings;

/// `CoreTokenResponse` with a `sid` in its ID token.
type SessionTokenResponse = StandardTokenResponse<
    IdTokenFields<
        SessionClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

/// `POST /token` (RFC 6749, 3.2).
pub(crate) async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    form: Result<RawForm, RawFormRejection>,
) -> Response {
    provider.ledger().count(|stats| stats.token_requests += 1);
    let Ok(RawForm(encoded)) = form else {
        return ErrorResponse::invalid_request("the request is not a form").into_response();
    };
    let params = Params::parse(&encoded);
    let endpoints: &[Endpoint] = match params.value("grant_type") {
        Some("refresh_token") => &[Endpoint::Renewal, Endpoint::Token],
        _ => &[Endpoint::Token],
    };
    respond_with_faults(provider, endpoints, move |provider| {
        grant(provider, &headers, &params).unwrap_or_else(IntoResponse::into_response)
    })
    .await
}

fn grant(
    provider: &Provider,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Response, ErrorResponse> {
    if params.has_repetition() {
        return Err(ErrorResponse::invalid_request("a parameter is repeated"));
    }
    let client_id = &authenticate(provider, headers, params)?.id;
    match params.value("grant_type") {
        Some("authorization_code") => exchange(provider, client_id, params),
        Some("refresh_token") => renew(provider, client_id, params),
        Some(_) => Err(ErrorResponse::new(
            CoreErrorResponseType::UnsupportedGrantType,
            "only authorization_code and refresh_token are supported",
        )),
        None => Err(ErrorResponse::invalid_request("grant_type is missing")),
    }
}

fn exchange(
    provider: &Provider,
    client_id: &str,
    params: &Params,
) -> Result<Response, ErrorResponse> {
    let presented = Redemption {
        client_id,
        code: params
            .value("code")
            .ok_or_else(|| ErrorResponse::invalid_request("code is missing"))?,
        redirect_uri: params.value("redirect_uri"),
        resource: params.value("resource"),
        verifier: params.value("code_verifier"),
    };
    let settings = provider.settings();
    let issued = provider.ledger().redeem(&presented, provider.clock.now(), &settings)?;
    respond(provider, &settings, issued, Occasion::SignIn)
}

fn renew(provider: &Provider, client_id: &str, params: &Params) -> Result<Response, ErrorResponse> {
    let token = params.value("refresh_token");
    let token = token.ok_or_else(|| ErrorResponse::invalid_request("refresh_token is missing"))?;
    let scope = params.value("scope").map(|scope| scope.split(' ').map(str::to_owned).collect());
    let (settings, now) = (provider.settings(), provider.clock.now());
    let resource = params.value("resource");
    let issued = provider.ledger().renew(token, client_id, scope, resource, now, &settings)?;
    let login =
        RenewedLogin { sid: issued.login.sid.clone(), subject: issued.login.user.subject.clone() };
    let mut response = respond(provider, &settings, issued, Occasion::Renewal)?;
    response.extensions_mut().insert(login);
    Ok(response)
}

fn respond(
    provider: &Provider,
    settings: &Settings,
    issued: Issued,
    occasion: Occasion,
) -> Result<Response, ErrorResponse> {
    let is_openid = issued.scope.iter().any(|scope| scope == "openid");
    let wants_id_token =
        is_openid && (occasion == Occasion::SignIn || settings.id_token_on_renewal);
    let id_token = wants_id_token
        .then(|| id_token::sign(provider, &issued.login, &issued.access_token, occasion))
        .transpose()
        .map_err(|_| ErrorResponse::server_error("the ID token could not be signed"))?;
    let fields = IdTokenFields::new(id_token, EmptyExtraTokenFields {});
    let mut response =
        SessionTokenResponse::new(issued.access_token, CoreTokenType::Bearer, fields);
    response.set_refresh_token(issued.refresh_token);
    let scope: Vec<_> = issued.scope.into_iter().map(Scope::new).collect();
    response.set_scopes(Some(scope).filter(|scope| settings.send_scope && !scope.is_empty()));
    response.set_expires_in(settings.send_expires_in.then_some(&settings.access_token_lifetime));
    Ok((NO_STORE, Json(body(&response, settings)?)).into_response())
}

/// Returns the fields that have a value (the library writes a missing ID token as `null`) and the
/// additional fields of the settings.
fn body(response: &SessionTokenResponse, settings: &Settings) -> Result<Value, ErrorResponse> {
    let mut body = serde_json::to_value(response)
        .map_err(|_| ErrorResponse::server_error("the token response could not be written"))?;
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        for (name, value) in &settings.extra_token_fields {
            fields.entry(name).or_insert_with(|| value.clone());
        }
    }
    Ok(body)
}
