//! The discovery document and the JWKS.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::url::ParseError;
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, EndSessionUrl, IssuerUrl, JsonWebKeySetUrl,
    ProviderMetadata, ResponseTypes, RevocationUrl, Scope, TokenUrl, UserInfoUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::authorize::SCOPES;
use crate::provider::Provider;

const CLAIMS: [&str; 13] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "at_hash",
    "sid",
    "name",
    "preferred_username",
    "email",
    "email_verified",
];

/// The metadata that the openidconnect crate leaves to extensions.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Extensions {
    /// RFC 9207.
    authorization_response_iss_parameter_supported: bool,
    /// RFC 7636 by RFC 8414.
    code_challenge_methods_supported: Vec<String>,
    /// RP-Initiated Logout 1.0.
    end_session_endpoint: EndSessionUrl,
    /// RFC 7009 by RFC 8414.
    revocation_endpoint: RevocationUrl,
    revocation_endpoint_auth_methods_supported: Vec<CoreClientAuthMethod>,
}

impl AdditionalProviderMetadata for Extensions {}

/// `CoreProviderMetadata` with the extensions.
type Metadata = ProviderMetadata<
    Extensions,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// `GET /.well-known/openid-configuration`.
pub(crate) async fn configuration(State(provider): State<Provider>) -> Response {
    match metadata(provider.issuer()) {
        Ok(metadata) => Json(metadata).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// `GET /.well-known/oauth-authorization-server`: what RFC 8414 knows of the above.
pub(crate) async fn authorization_server(State(provider): State<Provider>) -> Json<Value> {
    let issuer = provider.issuer().as_str();
    let endpoint = |path: &str| format!("{}/{path}", issuer.trim_end_matches('/'));
    let auth_methods = ["client_secret_basic", "client_secret_post", "none"];
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": endpoint("authorize"),
        "token_endpoint": endpoint("token"),
        "revocation_endpoint": endpoint("revoke"),
        "introspection_endpoint": endpoint("introspect"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": auth_methods,
        "revocation_endpoint_auth_methods_supported": auth_methods,
        "introspection_endpoint_auth_methods_supported": auth_methods,
        "authorization_response_iss_parameter_supported": true,
    }))
}

/// `GET /jwks`.
pub(crate) async fn jwks(State(provider): State<Provider>) -> Json<CoreJsonWebKeySet> {
    Json(provider.key.public_set())
}

fn metadata(issuer: &IssuerUrl) -> Result<Metadata, ParseError> {
    let endpoint = |path: &str| format!("{}/{path}", issuer.as_str().trim_end_matches('/'));
    let auth_methods = || {
        vec![
            CoreClientAuthMethod::ClientSecretBasic,
            CoreClientAuthMethod::ClientSecretPost,
            CoreClientAuthMethod::None,
        ]
    };
    let extensions = Extensions {
        authorization_response_iss_parameter_supported: true,
        code_challenge_methods_supported: vec!["S256".to_owned()],
        end_session_endpoint: EndSessionUrl::new(endpoint("logout"))?,
        revocation_endpoint: RevocationUrl::new(endpoint("revoke"))?,
        revocation_endpoint_auth_methods_supported: auth_methods(),
    };
    let metadata = Metadata::new(
        issuer.clone(),
        AuthUrl::new(endpoint("authorize"))?,
        JsonWebKeySetUrl::new(endpoint("jwks"))?,
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        vec![CoreSubjectIdentifierType::Public],
        vec![CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256],
        extensions,
    );
    Ok(metadata
        .set_token_endpoint(Some(TokenUrl::new(endpoint("token"))?))
        .set_userinfo_endpoint(Some(UserInfoUrl::new(endpoint("userinfo"))?))
        .set_scopes_supported(Some(
            SCOPES.iter().map(|scope| Scope::new((*scope).to_owned())).collect(),
        ))
        .set_response_modes_supported(Some(vec![
            CoreResponseMode::Query,
            CoreResponseMode::FormPost,
        ]))
        .set_grant_types_supported(Some(vec![
            CoreGrantType::AuthorizationCode,
            CoreGrantType::RefreshToken,
        ]))
        .set_token_endpoint_auth_methods_supported(Some(auth_methods()))
        .set_claims_supported(Some(
            CLAIMS.iter().map(|name| CoreClaimName::new((*name).to_owned())).collect(),
        ))
        .set_request_uri_parameter_supported(Some(false)))
}
