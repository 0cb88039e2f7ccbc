//! The signed header that tells the application who the user is.

use axum::http::HeaderValue;
use chrono::{TimeDelta, Utc};
use openidconnect::core::{
    CoreGenderClaim, CoreHmacKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    Audience, EmptyAdditionalClaims, IdToken, IdTokenClaims, IssuerUrl, StandardClaims,
    SubjectIdentifier,
};
use secrecy::{ExposeSecret as _, SecretSlice};
use session_core::UserId;

/// The least number of bytes in the secret (RFC 7518, section 3.2).
pub const SECRET_BYTES: usize = 32;

/// For how long an assertion holds: it is made for one request.
const LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// Signs who the user is: a JWT with `iss` (the gateway), `aud` (the upstream), `sub` (the user),
/// `iat` and `exp`, by HS256 and a secret that the application knows.
#[derive(Debug)]
pub struct Assertions {
    issuer: IssuerUrl,
    audience: String,
    secret: SecretSlice<u8>,
}

/// The assertions of one user, as the ID token of a library.
type Assertion = IdToken<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

impl Assertions {
    /// Creates assertions by the gateway at this public address for the upstream. Returns `None` if
    /// the address is none, or if the secret has fewer than [`SECRET_BYTES`].
    #[must_use]
    pub fn new(public_url: &str, upstream: &str, secret: SecretSlice<u8>) -> Option<Self> {
        let issuer = IssuerUrl::new(public_url.to_owned()).ok()?;
        let is_long = secret.expose_secret().len() >= SECRET_BYTES;
        is_long.then(|| Self { issuer, audience: upstream.to_owned(), secret })
    }

    /// Returns the scheme of the gateway's public address.
    pub(crate) fn scheme(&self) -> HeaderValue {
        let is_secure = self.issuer.url().scheme() == "https";
        HeaderValue::from_static(if is_secure { "https" } else { "http" })
    }

    /// Returns the header's value for a request of this user now.
    pub(crate) fn of(&self, user: &UserId) -> Option<HeaderValue> {
        let now = Utc::now();
        let subject = StandardClaims::new(SubjectIdentifier::new(user.to_string()));
        let claims = IdTokenClaims::<_, CoreGenderClaim>::new(
            self.issuer.clone(),
            vec![Audience::new(self.audience.clone())],
            now + LIFETIME,
            now,
            subject,
            EmptyAdditionalClaims {},
        );
        let key = CoreHmacKey::new(self.secret.expose_secret().to_vec());
        let algorithm = CoreJwsSigningAlgorithm::HmacSha256;
        let signed = Assertion::new(claims, &key, algorithm, None, None).ok()?;
        let mut value = HeaderValue::try_from(signed.to_string()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
