//! Verification of ID tokens, and their claims (OpenID Connect Core, section 3.1.3.7).

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreGenderClaim, CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
};
use openidconnect::url::Url;
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalClaims, ClaimsVerificationError, ClientId,
    ClientSecret, IdToken, IdTokenClaims, IdTokenVerifier, IssuerUrl, JsonWebKey as _,
    JwsSigningAlgorithm as _, Nonce, SignatureVerificationError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::signature::{JwsHeader, has_length_of};
use crate::clock::Timestamp;
use crate::policy::authentication::{InsufficientAuthentication, RequiredAuthentication};
use crate::session::{Authentication, ProviderIdentity, Subject};

/// Claims about the user in the ID token of a sign-in.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SignInClaims {
    /// The e-mail address; see [`email_verified`](Self::email_verified).
    pub email: Option<String>,
    /// Whether the provider has verified that the address belongs to the user.
    pub email_verified: Option<bool>,
    /// The full name, without a language.
    pub name: Option<String>,
    /// The preferred user name; neither unique nor stable.
    pub preferred_username: Option<String>,
    /// All claims that OpenID Connect does not define, such as groups.
    pub further: Map<String, Value>,
}

impl fmt::Debug for SignInClaims {
    /// Prints no claim, since claims are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInClaims").finish_non_exhaustive()
    }
}

/// The claims that the openidconnect crate does not know.
#[derive(Debug, Deserialize, Serialize)]
struct FurtherClaims {
    #[serde(flatten)]
    claims: Map<String, Value>,
}

impl AdditionalClaims for FurtherClaims {}

type SignInToken = IdToken<
    FurtherClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// The facts that ID tokens of this client are checked against.
pub(super) struct IdTokenCheck {
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    issuer: IssuerUrl,
    algorithms: Vec<CoreJwsSigningAlgorithm>,
}

/// What the ID token of one sign-in must agree with.
pub(super) struct Expected<'a> {
    pub(super) access_token: &'a str,
    pub(super) nonce: &'a str,
    pub(super) required: RequiredAuthentication,
    pub(super) now: Timestamp,
}

/// Whom a valid ID token is about.
pub(super) struct VerifiedUser {
    pub(super) identity: ProviderIdentity,
    pub(super) authentication: Authentication,
    pub(super) claims: SignInClaims,
}

/// The reason why an ID token is not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdTokenError {
    #[error("the ID token is not for the access token of the same response")]
    AccessToken,
    #[error("the authentication that the ID token tells of is not sufficient")]
    Authentication(#[source] InsufficientAuthentication),
    #[error("the claims of the ID token are invalid")]
    Claims(#[source] ClaimsVerificationError),
    #[error("the response has no ID token")]
    Missing,
    #[error("the ID token is not a JSON web token with the required claims")]
    Malformed,
    #[error("the subject of the ID token is invalid")]
    Subject,
}

impl IdTokenError {
    /// Returns whether newer keys may help: the issuer may have rotated them.
    pub(super) const fn may_be_a_new_key(&self) -> bool {
        matches!(
            self,
            Self::Claims(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::CryptoError(_)
                    | SignatureVerificationError::NoMatchingKey
            ))
        )
    }
}

impl IdTokenCheck {
    pub(super) fn new(
        client_id: ClientId,
        client_secret: Option<ClientSecret>,
        issuer: IssuerUrl,
        mut algorithms: Vec<CoreJwsSigningAlgorithm>,
    ) -> Self {
        // Unsigned tokens are never accepted, even if the provider announces them.
        algorithms.retain(|algorithm| *algorithm != CoreJwsSigningAlgorithm::None);
        Self { client_id, client_secret, issuer, algorithms }
    }

    /// Returns identity and claims, if signature, issuer, audience, expiry, nonce and access token
    /// are valid.
    pub(super) fn verified(
        &self,
        token: &str,
        expected: &Expected<'_>,
        keys: &CoreJsonWebKeySet,
    ) -> Result<VerifiedUser, IdTokenError> {
        let text = token;
        let token = SignInToken::from_str(text).map_err(|_| IdTokenError::Malformed)?;
        if !has_whole_signature(&token, text) {
            return Err(IdTokenError::Malformed);
        }
        let verifier = self.verifier(keys, expected.now);
        let nonce = Nonce::new(expected.nonce.to_owned());
        let claims = token.claims(&verifier, &nonce).map_err(IdTokenError::Claims)?;
        if let Some(hash) = claims.access_token_hash() {
            self.check_hash(&token, &verifier, expected.access_token, hash)
                .ok_or(IdTokenError::AccessToken)?;
        }
        let authentication = authentication(claims);
        let is_sufficient = expected.required.check(&authentication, expected.now);
        is_sufficient.map_err(IdTokenError::Authentication)?;
        Ok(VerifiedUser {
            identity: identity(claims)?,
            authentication,
            claims: sign_in_claims(claims),
        })
    }

    /// Checks that the ID token is for this access token (OpenID Connect Core, section 3.1.3.8).
    fn check_hash(
        &self,
        token: &SignInToken,
        verifier: &IdTokenVerifier<'_, CoreJsonWebKey>,
        access_token: &str,
        hash: &AccessTokenHash,
    ) -> Option<()> {
        let algorithm = token.signing_alg().ok()?;
        let shared;
        let key = if algorithm.uses_shared_secret() {
            let secret = self.client_secret.as_ref()?.secret();
            shared = CoreJsonWebKey::new_symmetric(secret.clone().into_bytes());
            &shared
        } else {
            token.signing_key(verifier).ok()?
        };
        let access_token = AccessToken::new(access_token.to_owned());
        let actual = AccessTokenHash::from_token(&access_token, algorithm, key).ok()?;
        (actual == *hash).then_some(())
    }

    /// Returns the algorithm if tokens of the provider may be signed by it; unsigned ones never are.
    pub(super) fn algorithm(
        &self,
        algorithm: &CoreJwsSigningAlgorithm,
    ) -> Option<CoreJwsSigningAlgorithm> {
        self.algorithms.contains(algorithm).then(|| algorithm.clone())
    }

    /// Returns whether a key of the provider, or the client's secret, has signed the message.
    pub(super) fn is_signed(
        &self,
        header: &JwsHeader,
        algorithm: &CoreJwsSigningAlgorithm,
        message: &[u8],
        signature: &[u8],
        keys: &CoreJsonWebKeySet,
    ) -> bool {
        if !has_length_of(algorithm, signature) {
            return false;
        }
        if !algorithm.uses_shared_secret() {
            return header.is_signed_by(keys, algorithm, message, signature);
        }
        self.client_secret.as_ref().is_some_and(|secret| {
            let key = CoreJsonWebKey::new_symmetric(secret.secret().clone().into_bytes());
            key.verify_signature(algorithm, message, signature).is_ok()
        })
    }

    fn verifier(
        &self,
        keys: &CoreJsonWebKeySet,
        now: Timestamp,
    ) -> IdTokenVerifier<'static, CoreJsonWebKey> {
        let (client_id, issuer, keys) = (self.client_id.clone(), self.issuer.clone(), keys.clone());
        let verifier = match &self.client_secret {
            Some(secret) => {
                IdTokenVerifier::new_confidential_client(client_id, secret.clone(), issuer, keys)
            }
            None => IdTokenVerifier::new_public_client(client_id, issuer, keys),
        };
        // At a time beyond the calendar's range every token has expired.
        let now =
            DateTime::from_timestamp_millis(now.as_millis()).unwrap_or(DateTime::<Utc>::MAX_UTC);
        verifier.set_allowed_algs(self.algorithms.iter().cloned()).set_time_fn(move || now)
    }
}

/// Returns whether a token's signature is as long as its algorithm makes it.
fn has_whole_signature(token: &SignInToken, text: &str) -> bool {
    let (_, signature) = text.rsplit_once('.').unwrap_or_default();
    let signature = Base64UrlUnpadded::decode_vec(signature);
    let Ok(algorithm) = token.signing_alg() else { return true };
    signature.is_ok_and(|signature| has_length_of(algorithm, &signature))
}

type Claims = IdTokenClaims<FurtherClaims, CoreGenderClaim>;

fn authentication(claims: &Claims) -> Authentication {
    let methods = claims.auth_method_refs().into_iter().flatten();
    Authentication {
        at: claims.auth_time().map(|at| Timestamp::from_millis(at.timestamp_millis())),
        acr: claims.auth_context_ref().map(|acr| acr.as_str().to_owned()),
        amr: methods.map(|method| method.as_str().to_owned()).collect(),
    }
}

fn identity(claims: &Claims) -> Result<ProviderIdentity, IdTokenError> {
    let subject = Subject::new(claims.subject().as_str()).map_err(|_| IdTokenError::Subject)?;
    let further = &claims.additional_claims().claims;
    Ok(ProviderIdentity {
        issuer: Some(claims.issuer().as_str().to_owned()),
        subject: Some(subject),
        sid: further.get("sid").and_then(Value::as_str).map(str::to_owned),
        account: None,
    })
}

fn sign_in_claims(claims: &Claims) -> SignInClaims {
    SignInClaims {
        email: claims.email().map(|email| email.as_str().to_owned()),
        email_verified: claims.email_verified(),
        name: claims.name().and_then(|name| name.get(None)).map(|name| name.as_str().to_owned()),
        preferred_username: claims.preferred_username().map(|name| name.as_str().to_owned()),
        further: claims.additional_claims().claims.clone(),
    }
}

/// Returns whether the ID token of a renewal is about another user, or from another issuer, than the
/// one before (OpenID Connect Core, section 12.2).
///
/// Both came from the token endpoint over TLS, which may replace the check of their signature
/// (3.1.3.7, 6). A token that cannot be parsed is ignored.
pub(super) fn is_about_another_user(before: &str, after: &str) -> bool {
    match (issuer_and_subject(before), issuer_and_subject(after)) {
        (Some(before), Some(after)) => {
            before.sub != after.sub || !is_same_issuer(&before.iss, &after.iss)
        }
        _ => false,
    }
}

/// Compares two issuers as addresses: one provider has been seen to write itself with and without a
/// slash at the end, and a token that it has rotated must not be lost for that.
fn is_same_issuer(one: &str, other: &str) -> bool {
    let address = |text: &str| Url::parse(text.trim_end_matches('/')).ok();
    one == other || address(one).is_some_and(|one| address(other) == Some(one))
}

#[derive(Deserialize)]
struct IssuerAndSubject {
    iss: String,
    sub: String,
}

fn issuer_and_subject(token: &str) -> Option<IssuerAndSubject> {
    let payload = token.split('.').nth(1)?;
    let payload = Base64UrlUnpadded::decode_vec(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}
