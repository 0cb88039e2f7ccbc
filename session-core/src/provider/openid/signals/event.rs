//! Security event tokens (RFC 8417) of the Shared Signals Framework 1.0.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{SignalError, SignalErrorKind as Kind};
use super::subject::SignalSubject;
use crate::clock::Timestamp;
use crate::provider::openid::keys::KeySet;
use crate::provider::openid::provider::OpenIdProvider;
use crate::provider::openid::setting::{InvalidSetting, safe_endpoint};
use crate::provider::openid::signed_token::{
    Audience, LEEWAY, SignatureRule, SignedToken, instant, own_id,
};

/// How old an event may be: transmitters try again for hours.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

/// A transmitter of security events about the users of a provider.
pub struct SignalTransmitter {
    issuer: String,
    audience: String,
    /// `None` for the provider's own.
    keys: Option<KeySet>,
}

impl SignalTransmitter {
    /// Creates the transmitter that is the provider itself: its issuer, with its keys. `audience` is
    /// what the stream is registered with, and stands in `aud`.
    #[must_use]
    pub fn of_provider(provider: &OpenIdProvider, audience: impl Into<String>) -> Self {
        Self { issuer: provider.issuer().to_owned(), audience: audience.into(), keys: None }
    }

    /// Creates a transmitter with an issuer of its own, and the `jwks_uri` of its configuration.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidSetting`] if `jwks_uri` is not https, or http on loopback where the provider's
    /// issuer is that too.
    pub fn with_keys(
        provider: &OpenIdProvider,
        issuer: impl Into<String>,
        jwks_uri: &str,
        audience: impl Into<String>,
    ) -> Result<Self, InvalidSetting> {
        let url = safe_endpoint("jwks_uri", jwks_uri, &provider.registration.issuer_url()?)?;
        let keys = Some(KeySet::new(url));
        Ok(Self { issuer: issuer.into(), audience: audience.into(), keys })
    }
}

impl fmt::Debug for SignalTransmitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { issuer, audience, .. } = self;
        f.debug_struct("SignalTransmitter")
            .field("issuer", issuer)
            .field("audience", audience)
            .finish_non_exhaustive()
    }
}

/// A verified security event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecurityEvent {
    /// The token's own id (`jti`).
    pub id: String,
    /// When the transmitter issued it, by its clock.
    pub issued_at: Timestamp,
    /// What it reports.
    pub kind: SecurityEventKind,
}

/// What a security event reports.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecurityEventKind {
    /// An event that concerns no session.
    Other,
    /// Sessions are over (CAEP 1.0, section 3.1).
    SessionRevoked(SignalSubject),
    /// The transmitter verifies its stream (Shared Signals Framework 1.0, section 8.1.4).
    Verification,
}

impl SecurityEvent {
    /// Returns the end of the time in which the sessions were created that the event is about. The
    /// clocks may differ by a minute.
    #[must_use]
    pub fn created_until(&self) -> Timestamp {
        self.issued_at + LEEWAY
    }
}

/// The claims, before they are checked.
#[derive(Deserialize)]
struct EventClaims {
    iss: Option<String>,
    aud: Option<Audience>,
    iat: Option<f64>,
    exp: Option<f64>,
    jti: Option<String>,
    sub_id: Option<Value>,
    events: Option<Map<String, Value>>,
}

impl OpenIdProvider {
    /// Verifies a security event token that a transmitter has sent about this provider's users: its
    /// type, algorithm and signature, the issuer, the audience, and its age. If the key is unknown, the
    /// keys are fetched again.
    ///
    /// # Errors
    ///
    /// Returns a [`SignalError`] that says which check failed, or that the keys cannot be fetched now.
    ///
    /// # Security
    ///
    /// `typ` is `secevent+jwt`, so that no ID token, access token or logout token is taken for one
    /// (RFC 8417, section 4.6). A client's secret signs none: it would let this client forge events.
    pub async fn verify_security_event(
        &self,
        transmitter: &SignalTransmitter,
        token: &str,
    ) -> Result<SecurityEvent, SignalError> {
        let token = SignedToken::of(token)?;
        let claims: EventClaims = token.unverified()?;
        // First, so that another transmitter's token costs nothing.
        if claims.iss.as_deref() != Some(&*transmitter.issuer) {
            return Err(Kind::Issuer.into());
        }
        let rule = SignatureRule {
            typ: "secevent+jwt",
            accepts_untyped: false,
            accepts_secret: false,
            keys: transmitter.keys.as_ref(),
        };
        self.check_signature(&token, rule).await?;
        claims.checked(&transmitter.audience, self.transport.clock.now())
    }
}

impl EventClaims {
    fn checked(self, audience: &str, now: Timestamp) -> Result<SecurityEvent, SignalError> {
        if !self.aud.as_ref().is_some_and(|aud| aud.contains(audience)) {
            return Err(Kind::Audience.into());
        }
        let missing = |name| SignalError::from(Kind::Missing { claim: name });
        let issued_at = self.iat.and_then(instant).ok_or_else(|| missing("iat"))?;
        let is_early = issued_at > now + LEEWAY;
        let has_expired = match self.exp {
            Some(exp) => now >= instant(exp).ok_or_else(|| missing("exp"))? + LEEWAY,
            None => false,
        };
        if is_early || has_expired || now >= issued_at + MAX_AGE + LEEWAY {
            return Err(Kind::Time.into());
        }
        let id = own_id(self.jti.clone()).ok_or_else(|| missing("jti"))?;
        Ok(SecurityEvent { id, issued_at, kind: self.kind()? })
    }

    fn kind(&self) -> Result<SecurityEventKind, SignalError> {
        let missing = |name| SignalError::from(Kind::Missing { claim: name });
        let events = self.events.as_ref().filter(|events| !events.is_empty());
        let events = events.ok_or_else(|| missing("events"))?;
        if !events.values().all(Value::is_object) {
            return Err(missing("events"));
        }
        if events.contains_key(SESSION_REVOKED) {
            let subject = self.sub_id.as_ref().ok_or_else(|| missing("sub_id"))?;
            return SignalSubject::parse(subject).map(SecurityEventKind::SessionRevoked);
        }
        match events.contains_key(VERIFICATION) {
            true => Ok(SecurityEventKind::Verification),
            false => Ok(SecurityEventKind::Other),
        }
    }
}
