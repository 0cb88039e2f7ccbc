//! Security events that a transmitter pushes (RFC 8935).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LANGUAGE, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use session_core::ProviderName;
use session_core::middleware::ErrorChain;
use session_core::provider::openid::OpenIdProvider;
use session_core::provider::openid::signals::{
    SecurityEvent, SecurityEventKind, SignalError, SignalErrorKind, SignalSubject,
    SignalTransmitter,
};
use session_core::session::ProviderLogout;

use super::target::{NoTarget, UserLookup, UserOfSignal};
use crate::answer::{not_allowed, ready_made_service, status, unavailable};
use crate::sign_in::config_error::SignInConfigError;
use crate::sign_in::flow::OpenIdSignIn;
use crate::sign_in::known_tokens::KnownTokens;

/// For how long an event is recognised that comes once more. Afterwards it ends no session that has
/// begun since it was issued anyway.
const REMEMBERED: Duration = Duration::from_secs(120);

/// Ends the sessions that a transmitter of the Shared Signals Framework reports as revoked: `POST`, with
/// a security event token as the body (RFC 8935, section 2).
///
/// Answers 202 once they are ended, and to an event that ends nothing; 400 with `err` and `description`
/// (section 2.3) if the token is refused; and 503 if the store or the keys cannot be reached, so that
/// the transmitter tries again.
#[derive(Debug, Clone)]
pub struct SecurityEventService {
    sign_in: OpenIdSignIn,
    transmitters: Arc<Vec<AcceptedTransmitter>>,
    users: UserLookup,
    known: Arc<KnownTokens>,
}

/// A transmitter, and the provider whose users it speaks of.
#[derive(Debug, Clone)]
struct AcceptedTransmitter {
    name: ProviderName,
    client: Arc<OpenIdProvider>,
    transmitter: Arc<SignalTransmitter>,
}

impl OpenIdSignIn {
    /// Returns the service to which transmitters push security events. `audience` is what their
    /// streams are registered with, and stands in `aud`. Each provider of the sign-in may transmit, with
    /// its issuer and its keys.
    ///
    /// # Security
    ///
    /// A token that is presented again ends nothing that the user has begun since it was issued. The
    /// clocks may differ by a minute.
    #[must_use]
    pub fn security_events(&self, audience: &str) -> SecurityEventService {
        let transmitters = self.flow.providers.iter().map(|provider| AcceptedTransmitter {
            name: provider.name.clone(),
            client: Arc::clone(&provider.client),
            transmitter: Arc::new(SignalTransmitter::of_provider(&provider.client, audience)),
        });
        SecurityEventService {
            sign_in: self.clone(),
            transmitters: Arc::new(transmitters.collect()),
            users: UserLookup::default(),
            known: Arc::default(),
        }
    }
}

impl SecurityEventService {
    /// Adds a transmitter with an issuer and keys of its own, which speaks of the users of a provider.
    ///
    /// # Errors
    ///
    /// Returns [`SignInConfigError`] if the sign-in does not have that provider: its events would be
    /// refused.
    pub fn with_transmitter(
        mut self,
        provider: &ProviderName,
        it: SignalTransmitter,
    ) -> Result<Self, SignInConfigError> {
        let mut known = self.sign_in.flow.providers.iter();
        let registered = known.find(|registered| registered.name == *provider);
        let registered = registered.ok_or_else(|| {
            SignInConfigError::new("provider", format!("{provider} is not one of the sign-in's"))
        })?;
        let (name, client) = (provider.clone(), Arc::clone(&registered.client));
        let added = AcceptedTransmitter { name, client, transmitter: Arc::new(it) };
        Arc::make_mut(&mut self.transmitters).push(added);
        Ok(self)
    }

    /// Sets who names users by other identifiers than a subject of the provider (default: such events
    /// are refused).
    #[must_use]
    pub fn with_users(mut self, users: impl UserOfSignal) -> Self {
        self.users = UserLookup::by(users);
        self
    }

    async fn answer(self, head: Parts, body: Option<Bytes>) -> Response<Bytes> {
        if head.method != Method::POST {
            return not_allowed("POST");
        }
        if !is_event(&head.headers) {
            return refused("invalid_request", "the content type is not application/secevent+jwt");
        }
        let Some(token) = body.as_deref().and_then(|body| std::str::from_utf8(body).ok()) else {
            return refused("invalid_request", "the body is no token, or was cut off");
        };
        match self.verified(token.trim()).await {
            Ok((registered, event)) => self.carry_out(registered, &event).await,
            Err(error) if error.is_transient() => {
                tracing::warn!(error = %ErrorChain(&error), "a security event was not verified");
                unavailable()
            }
            Err(error) => {
                tracing::warn!(error = %ErrorChain(&error), "a security event was refused");
                refused(code(error.kind()), &error.to_string())
            }
        }
    }

    /// Verifies a token by the transmitter that has issued it.
    async fn verified(
        &self,
        token: &str,
    ) -> Result<(&AcceptedTransmitter, SecurityEvent), SignalError> {
        let mut other = SignalErrorKind::Issuer.into();
        for registered in &*self.transmitters {
            let AcceptedTransmitter { client, transmitter, .. } = registered;
            match client.verify_security_event(transmitter, token).await {
                Err(error) if error.kind() == SignalErrorKind::Issuer => other = error,
                outcome => return outcome.map(|event| (registered, event)),
            }
        }
        Err(other)
    }

    async fn carry_out(
        &self,
        from: &AcceptedTransmitter,
        event: &SecurityEvent,
    ) -> Response<Bytes> {
        let (issuer, manager) = (from.client.issuer(), &self.sign_in.flow.manager);
        let subject = match &event.kind {
            SecurityEventKind::SessionRevoked(subject) => subject,
            other => {
                tracing::debug!(issuer, kind = ?other, "a security event concerns no session");
                return status(StatusCode::ACCEPTED);
            }
        };
        if self.known.contains(issuer, &event.id) {
            return status(StatusCode::ACCEPTED);
        }
        let logout = match self.logout(from, subject).await {
            Ok(logout) => logout.created_until(event.created_until()),
            Err(NoTarget::Unknown) => return status(StatusCode::ACCEPTED),
            Err(NoTarget::Unavailable(error)) => {
                tracing::warn!(error = %ErrorChain(&error), "a security event was not carried out");
                return unavailable();
            }
            Err(error) => {
                tracing::warn!(%error, issuer, "a security event was refused");
                return refused("invalid_request", &error.to_string());
            }
        };
        match manager.end_by_provider(logout).await {
            Ok(count) => {
                tracing::info!(count, issuer, "a security event has ended sessions");
                // Only now, so that one whose effect failed is carried out when it comes again.
                let now = manager.now();
                self.known.add(issuer, &event.id, now + REMEMBERED, now);
                status(StatusCode::ACCEPTED)
            }
            Err(error) => {
                tracing::warn!(error = %ErrorChain(&error), "a security event was not carried out");
                unavailable()
            }
        }
    }

    async fn logout(
        &self,
        from: &AcceptedTransmitter,
        subject: &SignalSubject,
    ) -> Result<ProviderLogout, NoTarget> {
        let logout = ProviderLogout::new(from.client.issuer()).with_sid(subject.sid.clone());
        match &subject.user {
            Some(user) => self.users.named(logout, &from.name, user).await,
            None => Ok(logout),
        }
    }
}

ready_made_service!(SecurityEventService);

fn is_event(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/secevent+jwt")
}

/// Returns the code of an error (RFC 8935, section 2.4).
const fn code(kind: SignalErrorKind) -> &'static str {
    match kind {
        SignalErrorKind::Algorithm | SignalErrorKind::Signature => "invalid_key",
        SignalErrorKind::Audience => "invalid_audience",
        SignalErrorKind::Issuer => "invalid_issuer",
        _ => "invalid_request",
    }
}

fn refused(code: &str, description: &str) -> Response<Bytes> {
    let json = serde_json::json!({ "err": code, "description": description });
    let mut response = status(StatusCode::BAD_REQUEST).map(|_| Bytes::from(json.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static("en"));
    response
}
