//! Who asks for a Global Token Revocation (draft-parecki-oauth-global-token-revocation-06, section 3.5).

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::error::{SignalError, SignalErrorKind as Kind};
use crate::clock::Timestamp;
use crate::provider::openid::provider::OpenIdProvider;
use crate::provider::openid::signed_token::{
    Audience, LEEWAY, SignatureRule, SignedToken, instant, own_id,
};

/// How long a token may be valid: the draft recommends five minutes.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// A provider that has authenticated by a signed token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevocationCaller {
    /// The caller's name within the provider (`sub`).
    pub subject: String,
    /// The token's own id (`jti`), which is accepted once.
    pub id: String,
    /// When it was issued, by the provider's clock.
    pub issued_at: Timestamp,
    /// Until when it must be recognised; afterwards it is refused as too old.
    pub expires_at: Timestamp,
}

impl RevocationCaller {
    /// Returns the end of the time in which the sessions were created that the request is about. The
    /// clocks may differ by a minute.
    #[must_use]
    pub fn created_until(&self) -> Timestamp {
        self.issued_at + LEEWAY
    }
}

/// The claims, before they are checked.
#[derive(Deserialize)]
struct CallerClaims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    iat: Option<f64>,
    exp: Option<f64>,
    jti: Option<String>,
    nonce: Option<Value>,
    events: Option<Value>,
}

impl OpenIdProvider {
    /// Verifies the token by which this provider authenticates at the endpoint for Global Token
    /// Revocation at this address.
    ///
    /// # Errors
    ///
    /// Returns a [`SignalError`] that says which check failed, or that the keys cannot be fetched now.
    ///
    /// # Security
    ///
    /// The address is the only audience, which no ID token, access token or logout token has. The
    /// token does not cover the request: remember its `id` until `expires_at`, and refuse it then.
    pub async fn verify_revocation_caller(
        &self,
        endpoint: &str,
        token: &str,
    ) -> Result<RevocationCaller, SignalError> {
        let token = SignedToken::of(token)?;
        let claims: CallerClaims = token.unverified()?;
        if claims.iss.as_deref() != Some(self.issuer()) {
            return Err(Kind::Issuer.into());
        }
        let rule = SignatureRule {
            typ: "global-token-revocation+jwt",
            accepts_untyped: true,
            accepts_secret: false,
            keys: None,
        };
        self.check_signature(&token, rule).await?;
        claims.checked(endpoint, self.transport.clock.now())
    }
}

impl CallerClaims {
    fn checked(self, endpoint: &str, now: Timestamp) -> Result<RevocationCaller, SignalError> {
        if !self.aud.is_some_and(|audience| audience.is_only(endpoint)) {
            return Err(Kind::Audience.into());
        }
        // An ID token or a logout token, whatever its audience is.
        if self.nonce.is_some() || self.events.is_some() {
            return Err(Kind::Type.into());
        }
        let missing = |name| SignalError::from(Kind::Missing { claim: name });
        let subject = self.sub.filter(|sub| !sub.is_empty()).ok_or_else(|| missing("sub"))?;
        let issued_at = self.iat.and_then(instant).ok_or_else(|| missing("iat"))?;
        let expires_at = self.exp.and_then(instant).ok_or_else(|| missing("exp"))?;
        let expires_at = expires_at.min(issued_at + MAX_AGE) + LEEWAY;
        if issued_at > now + LEEWAY || now >= expires_at {
            return Err(Kind::Time.into());
        }
        let id = own_id(self.jti).ok_or_else(|| missing("jti"))?;
        Ok(RevocationCaller { subject, id, issued_at, expires_at })
    }
}
