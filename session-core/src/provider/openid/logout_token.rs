//! Verification of logout tokens, by which a provider ends sessions (OpenID Connect Back-Channel Logout
//! 1.0, sections 2.4 and 2.6).

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::logout_token_error::{LogoutTokenError, LogoutTokenErrorKind as Kind};
use super::provider::OpenIdProvider;
use super::signed_token::{Audience, LEEWAY, SignatureRule, SignedToken, instant, own_id};
use crate::clock::Timestamp;
use crate::session::{ProviderLogout, Subject};

/// How old a token may be: providers try again for a while.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// The event that a logout token reports.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A verified logout token: the sessions to end, for
/// [`SessionManager::end_by_provider`](crate::SessionManager::end_by_provider).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogoutToken {
    /// The issuer.
    pub issuer: String,
    /// The user, if the token names one.
    pub subject: Option<Subject>,
    /// The provider's own session, if the token names one: then this one alone is over.
    pub sid: Option<String>,
    /// The token's own id (`jti`), by which one that is presented again is recognised.
    pub id: String,
    /// When it was issued, by the provider's clock.
    pub issued_at: Timestamp,
    /// Until when it must be recognised; afterwards it is refused as too old.
    pub expires_at: Timestamp,
}

impl LogoutToken {
    /// Returns the sessions to end: those of the `sid`, or else the subject's that were created before
    /// the token was issued. The clocks may differ by a minute.
    ///
    /// A `sid` is over for good; a subject signs in again, and a token that is delivered once more, to
    /// whichever process, must not end that (B5).
    #[must_use]
    pub fn logout(&self) -> ProviderLogout {
        let logout = ProviderLogout::new(&*self.issuer).with_subject(self.subject.clone());
        match &self.sid {
            Some(sid) => logout.with_sid(sid.clone()),
            None => logout.created_until(self.issued_at + LEEWAY),
        }
    }
}

/// The claims, before they are checked.
#[derive(Deserialize)]
struct LogoutClaims {
    iss: Option<String>,
    aud: Option<Audience>,
    iat: Option<f64>,
    exp: Option<f64>,
    jti: Option<String>,
    sub: Option<String>,
    sid: Option<String>,
    events: Option<Map<String, Value>>,
    nonce: Option<Value>,
}

impl OpenIdProvider {
    /// Verifies a logout token that this provider has sent: its type, algorithm and signature, the
    /// issuer, the audience, its age, and that it is about a logout. If the key is unknown, the
    /// issuer's keys are fetched again.
    ///
    /// # Errors
    ///
    /// Returns a [`LogoutTokenError`] that says which check failed, or that the provider's keys
    /// cannot be fetched now.
    ///
    /// # Security
    ///
    /// A token that was verified once is verified again. Ending what [`LogoutToken::logout`] names is
    /// safe to repeat: a session that began more than a minute after the token was issued is not
    /// among it (B5).
    pub async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        let token = SignedToken::of(token)?;
        let claims: LogoutClaims = token.unverified()?;
        // First, so that another provider's token costs nothing.
        if claims.iss.as_deref() != Some(self.issuer()) {
            return Err(Kind::Issuer.into());
        }
        let accepts_untyped = self.registration.accepts_untyped_logout_tokens;
        let rule =
            SignatureRule { typ: "logout+jwt", accepts_untyped, accepts_secret: true, keys: None };
        self.check_signature(&token, rule).await?;
        let client_id = &self.registration.client_id;
        claims.checked(client_id, self.transport.clock.now())
    }
}

impl LogoutClaims {
    fn checked(self, client_id: &str, now: Timestamp) -> Result<LogoutToken, LogoutTokenError> {
        if !self.aud.is_some_and(|audience| audience.contains(client_id)) {
            return Err(Kind::Audience.into());
        }
        let missing = |name| LogoutTokenError::from(Kind::Missing { claim: name });
        let issued_at = self.iat.and_then(instant).ok_or_else(|| missing("iat"))?;
        let expires_at = self.exp.and_then(instant).ok_or_else(|| missing("exp"))?;
        let is_early = issued_at > now + LEEWAY;
        if is_early || now >= expires_at + LEEWAY || now >= issued_at + MAX_AGE + LEEWAY {
            return Err(Kind::Time.into());
        }
        let id = own_id(self.jti).ok_or_else(|| missing("jti"))?;
        if !self.events.is_some_and(|events| events.get(EVENT).is_some_and(Value::is_object)) {
            return Err(Kind::Event.into());
        }
        if self.nonce.is_some() {
            return Err(Kind::Nonce.into());
        }
        let subject = self.sub.map(Subject::new).transpose().map_err(|_| Kind::Target)?;
        if subject.is_none() && self.sid.is_none() {
            return Err(Kind::Target.into());
        }
        let issuer = self.iss.unwrap_or_default();
        let expires_at = expires_at.min(issued_at + MAX_AGE) + LEEWAY;
        Ok(LogoutToken { issuer, subject, sid: self.sid, id, issued_at, expires_at })
    }
}
