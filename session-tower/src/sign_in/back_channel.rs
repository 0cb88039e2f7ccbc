//! Back-channel logout: the provider ends sessions (OpenID Connect Back-Channel Logout 1.0).

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use session_core::middleware::ErrorChain;
use session_core::provider::openid::{LogoutToken, LogoutTokenError, LogoutTokenErrorKind};

use super::flow::OpenIdSignIn;
use crate::answer::{not_allowed, ready_made_service, status, unavailable};

/// Ends the sessions that a provider reports as over: `POST`, with the form field `logout_token`.
///
/// Answers 200 once they are ended, 400 with the reason if the token is refused, and 503 if the store
/// or the provider's keys cannot be reached, so that the provider tries again.
///
/// It needs no session, and no cookie: it may stand outside of the session layer, and must stand
/// outside of a protection against cross-site requests.
#[derive(Debug, Clone)]
pub struct BackChannelLogoutService(OpenIdSignIn);

impl OpenIdSignIn {
    /// Returns the service to which providers send logout tokens. Register its address at the
    /// provider as the `backchannel_logout_uri`.
    ///
    /// # Security
    ///
    /// A token that is presented again is answered 200 and ends nothing that the user has begun since
    /// (B5): a `sid` is over for good, and of a subject only sessions end that were created before the
    /// token was issued, in every process. The clocks may differ by a minute; within that minute the
    /// process that has carried a token out remembers its `jti`.
    #[must_use]
    pub fn back_channel_logout(&self) -> BackChannelLogoutService {
        BackChannelLogoutService(self.clone())
    }

    async fn answer_logout_token(&self, form: Option<Bytes>) -> Response<Bytes> {
        let token = form.as_deref().and_then(logout_token);
        let Some(token) = token else {
            return refused("the form has no logout_token, or more than one");
        };
        match self.verified(&token).await {
            Ok(token) => self.end_sessions_of(&token).await,
            Err(error) if error.is_transient() => {
                tracing::warn!(error = %ErrorChain(&error), "a logout token was not verified");
                unavailable()
            }
            Err(error) => {
                tracing::warn!(error = %ErrorChain(&error), "a logout token was refused");
                refused(&error.to_string())
            }
        }
    }

    /// Verifies a token by the provider that has issued it, for the client that it is for: one issuer
    /// may know this application as several clients.
    async fn verified(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        use LogoutTokenErrorKind::{Audience, Issuer};
        let mut other = Issuer.into();
        for registered in &self.flow.providers {
            match registered.client.verify_logout_token(token).await {
                Err(error) if error.kind() == Audience => other = error,
                Err(error) if error.kind() == Issuer => {}
                outcome => return outcome,
            }
        }
        Err(other)
    }

    async fn end_sessions_of(&self, token: &LogoutToken) -> Response<Bytes> {
        let (manager, known) = (&self.flow.manager, &self.flow.known_logout_tokens);
        if known.contains(&token.issuer, &token.id) {
            return status(StatusCode::OK);
        }
        match manager.end_by_provider(token.logout()).await {
            Ok(count) => {
                tracing::info!(count, issuer = token.issuer, "the provider has ended sessions");
                // Only now, so that a token whose effect failed is carried out when it comes again.
                known.add(&token.issuer, &token.id, token.expires_at, manager.now());
                status(StatusCode::OK)
            }
            Err(error) => {
                tracing::warn!(error = %ErrorChain(&error), "a provider's logout was not carried out");
                unavailable()
            }
        }
    }
}

ready_made_service!(BackChannelLogoutService);

impl BackChannelLogoutService {
    async fn answer(self, head: Parts, form: Option<Bytes>) -> Response<Bytes> {
        match head.method {
            Method::POST => self.0.answer_logout_token(form).await,
            _ => not_allowed("POST"),
        }
    }
}

/// Returns the only `logout_token` of a form.
fn logout_token(form: &[u8]) -> Option<String> {
    let mut tokens = form_urlencoded::parse(form).filter(|(name, _)| name == "logout_token");
    let token = tokens.next()?.1.into_owned();
    tokens.next().is_none().then_some(token)
}

/// 400, as section 2.8 asks, with the reason for the provider's log.
fn refused(description: &str) -> Response<Bytes> {
    let json = serde_json::json!({ "error": "invalid_request", "error_description": description });
    let mut response = status(StatusCode::BAD_REQUEST).map(|_| Bytes::from(json.to_string()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
