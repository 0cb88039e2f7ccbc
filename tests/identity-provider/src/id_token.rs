//! ID tokens: signing, and verification as a logout hint.

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreGenderClaim, CoreIdTokenVerifier, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessToken, AdditionalClaims, Audience, AuthenticationContextClass, ClientId, EndUserEmail,
    EndUserName, EndUserUsername, IdToken, IdTokenClaims, JsonWebTokenError, LocalizedClaim, Nonce,
    StandardClaims, SubjectIdentifier,
};
use serde::{Deserialize, Serialize};

use crate::ledger::Login;
use crate::provider::Provider;
use crate::user::User;

/// The lifetime of an ID token. It is independent of the session.
const ID_TOKEN_LIFETIME_MS: i64 = 3_600_000;

/// The claims of ID token and userinfo beyond the standard ones.
///
/// Takes the place of `EmptyAdditionalClaims` in the openidconnect crate's `Core` types.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct SessionClaims {
    /// The session at the provider: one value for each login (OpenID Connect Back-Channel Logout, 2.1).
    pub sid: String,
}

impl AdditionalClaims for SessionClaims {}

/// `CoreIdToken` with a `sid`.
pub(crate) type SessionIdToken = IdToken<
    SessionClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type SessionIdTokenClaims = IdTokenClaims<SessionClaims, CoreGenderClaim>;

/// When an ID token is issued: only the one of the sign-in has the nonce (OpenID Connect Core, 12.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    Renewal,
    SignIn,
}

/// Signs an ID token for a login, bound to the access token by `at_hash`.
pub(crate) fn sign(
    provider: &Provider,
    login: &Login,
    access_token: &AccessToken,
    occasion: Occasion,
) -> Result<SessionIdToken, JsonWebTokenError> {
    let now = provider.clock.now();
    let nonce = login.nonce.clone().filter(|_| occasion == Occasion::SignIn);
    let claims = SessionIdTokenClaims::new(
        provider.issuer().clone(),
        vec![Audience::new(login.client_id.clone())],
        time(now.saturating_add(ID_TOKEN_LIFETIME_MS)),
        time(now),
        standard_claims(&login.user),
        SessionClaims { sid: login.sid.clone() },
    )
    .set_auth_time(Some(time(login.auth_time)))
    .set_auth_context_ref(login.acr.clone().map(AuthenticationContextClass::new))
    .set_nonce(nonce.map(Nonce::new));
    let algorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
    SessionIdToken::new(claims, provider.key.private(), algorithm, Some(access_token), None)
}

/// Returns the `sid` and client of an `id_token_hint`. An expired token is accepted (RP-Initiated
/// Logout, 4), a token with another signature is not.
pub(crate) fn verify_hint(provider: &Provider, hint: &str) -> Option<(String, String)> {
    let token: SessionIdToken = hint.parse().ok()?;
    let any_client = ClientId::new(String::new());
    let verifier = CoreIdTokenVerifier::new_public_client(
        any_client,
        provider.issuer().clone(),
        provider.key.public_set(),
    )
    .require_audience_match(false)
    .set_time_fn(|| DateTime::<Utc>::MIN_UTC);
    let claims = token.into_claims(&verifier, |_: Option<&Nonce>| Ok(())).ok()?;
    let client_id = claims.audiences().first()?.to_string();
    Some((claims.additional_claims().sid.clone(), client_id))
}

pub(crate) fn standard_claims(user: &User) -> StandardClaims<CoreGenderClaim> {
    StandardClaims::new(SubjectIdentifier::new(user.subject.clone()))
        .set_name(Some(LocalizedClaim::from(EndUserName::new(user.name.clone()))))
        .set_preferred_username(Some(EndUserUsername::new(user.subject.clone())))
        .set_email(Some(EndUserEmail::new(user.email.clone())))
        .set_email_verified(Some(user.is_email_verified))
}

fn time(epoch_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(epoch_ms).unwrap_or_default()
}
