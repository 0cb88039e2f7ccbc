//! Global Token Revocation: a provider, or a tool for security incidents, ends everything of a user
//! (draft-parecki-oauth-global-token-revocation-06).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;
use session_core::ProviderName;
use session_core::middleware::ErrorChain;
use session_core::provider::openid::signals::{
    RevocationCaller, SignalError, SignalErrorKind, SubjectIdentifier,
};
use session_core::session::{ProviderLogout, SecretDigest};

use super::target::{NoTarget, UserLookup, UserOfSignal};
use crate::answer::{not_allowed, ready_made_service, status, unavailable};
use crate::sign_in::flow::{OpenIdSignIn, Registered};
use crate::sign_in::known_tokens::KnownTokens;

/// Ends all browser sessions of a user at a provider: `POST`, with JSON such as
/// `{"sub_id": {"format": "email", "email": "ann@app.example"}}` (section 3.2).
///
/// Answers as section 3.4 says: 204 once they are ended, also if there were none; 400 if the request is
/// malformed or the identifier is not supported; 401 if the caller is not authenticated; 404 if the
/// application does not know the user; and 503 if the store or the keys cannot be reached.
#[derive(Debug, Clone)]
pub struct GlobalTokenRevocationService {
    sign_in: OpenIdSignIn,
    endpoint: Arc<str>,
    callers: Arc<Vec<BearerCaller>>,
    users: UserLookup,
    known: Arc<KnownTokens>,
}

/// The digest of a bearer token, and the provider whose users it may end the sessions of.
#[derive(Clone)]
struct BearerCaller(SecretDigest, ProviderName);

impl fmt::Debug for BearerCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BearerCaller").field(&self.1).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct RevocationRequest {
    sub_id: serde_json::Value,
}

/// A caller that is let in.
struct AdmittedCaller<'a> {
    provider: &'a Registered,
    /// Which sessions it may end.
    logout: ProviderLogout,
    /// The id of the token that the provider has signed for this request.
    token: Option<String>,
}

/// Why a caller is not let in.
enum Refused {
    Unauthenticated,
    Unavailable,
}

impl OpenIdSignIn {
    /// Returns the service for Global Token Revocation at this address: the exact one, without a query,
    /// that callers use. Each provider of the sign-in may call it, authenticated by a token that it
    /// signs as its ID tokens (section 3.5), and ends sessions of its own users alone.
    ///
    /// # Security
    ///
    /// A provider's token is accepted once by each process, within ten minutes, and ends no session that
    /// has begun since it was issued. It does not cover the request: a thief of it could end
    /// other users' sessions at another process, until it expires.
    #[must_use]
    pub fn global_token_revocation(&self, endpoint: &str) -> GlobalTokenRevocationService {
        GlobalTokenRevocationService {
            sign_in: self.clone(),
            endpoint: endpoint.into(),
            callers: Arc::default(),
            users: UserLookup::default(),
            known: Arc::default(),
        }
    }
}

impl GlobalTokenRevocationService {
    /// Lets a caller in that presents this bearer token (RFC 6750), to end sessions of users of this
    /// provider.
    ///
    /// # Security
    ///
    /// The token is compared by its SHA-256, so that the time tells nothing about it. It needs 128 bits
    /// of randomness at least, and is for this purpose alone (section 7.1).
    #[must_use]
    pub fn with_bearer_token(mut self, provider: ProviderName, token: &str) -> Self {
        let caller = BearerCaller(SecretDigest::of(token), provider);
        Arc::make_mut(&mut self.callers).push(caller);
        self
    }

    /// Sets who names users by other identifiers than a subject of the provider (default: such requests
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
        let caller = match self.caller(&head.headers).await {
            Ok(caller) => caller,
            Err(Refused::Unavailable) => return unavailable(),
            Err(Refused::Unauthenticated) => return unauthenticated(),
        };
        let request = body.and_then(|body| serde_json::from_slice::<RevocationRequest>(&body).ok());
        let identifier = request.and_then(|it| SubjectIdentifier::parse(&it.sub_id).ok());
        let Some(identifier) = identifier else { return status(StatusCode::BAD_REQUEST) };
        let response = self.revoke(caller.provider, caller.logout, &identifier).await;
        if response.status().is_server_error()
            && let Some(id) = caller.token
        {
            self.known.remove(caller.provider.client.issuer(), &id);
        }
        response
    }

    /// Returns on whose behalf the request is made, and which sessions may end.
    async fn caller(&self, headers: &HeaderMap) -> Result<AdmittedCaller<'_>, Refused> {
        let token = bearer_token(headers).ok_or(Refused::Unauthenticated)?;
        let providers = &self.sign_in.flow.providers;
        let digest = SecretDigest::of(token);
        if let Some(BearerCaller(_, name)) = self.callers.iter().find(|one| one.0 == digest) {
            let provider = providers.iter().find(|provider| provider.name == *name);
            let provider = provider.ok_or(Refused::Unauthenticated)?;
            let logout = ProviderLogout::new(provider.client.issuer());
            return Ok(AdmittedCaller { provider, logout, token: None });
        }
        let (provider, caller) = self.verified(token).await.map_err(|error| {
            tracing::warn!(error = %ErrorChain(&error), "the caller of a revocation was not let in");
            if error.is_transient() { Refused::Unavailable } else { Refused::Unauthenticated }
        })?;
        let (issuer, now) = (provider.client.issuer(), self.sign_in.flow.manager.now());
        match self.known.add(issuer, &caller.id, caller.expires_at, now) {
            true => {
                let logout = ProviderLogout::new(issuer).created_until(caller.created_until());
                Ok(AdmittedCaller { provider, logout, token: Some(caller.id) })
            }
            false => {
                tracing::warn!(issuer, "the token of a caller was presented again");
                Err(Refused::Unauthenticated)
            }
        }
    }

    async fn verified(&self, token: &str) -> Result<(&Registered, RevocationCaller), SignalError> {
        let mut other = SignalErrorKind::Issuer.into();
        for registered in &self.sign_in.flow.providers {
            match registered.client.verify_revocation_caller(&self.endpoint, token).await {
                Err(error) if error.kind() == SignalErrorKind::Issuer => other = error,
                outcome => return outcome.map(|caller| (registered, caller)),
            }
        }
        Err(other)
    }

    async fn revoke(
        &self,
        provider: &Registered,
        logout: ProviderLogout,
        whom: &SubjectIdentifier,
    ) -> Response<Bytes> {
        let (issuer, manager) = (provider.client.issuer(), &self.sign_in.flow.manager);
        let logout = match self.users.named(logout, &provider.name, whom).await {
            Ok(logout) => logout,
            Err(NoTarget::Unavailable(error)) => {
                tracing::warn!(error = %ErrorChain(&error), "a revocation was not carried out");
                return unavailable();
            }
            Err(NoTarget::Unknown) => return status(StatusCode::NOT_FOUND),
            Err(error) => {
                tracing::warn!(%error, issuer, "a revocation was refused");
                return status(StatusCode::BAD_REQUEST);
            }
        };
        match manager.end_by_provider(logout).await {
            Ok(count) => {
                tracing::info!(count, issuer, "a global token revocation has ended sessions");
                status(StatusCode::NO_CONTENT)
            }
            Err(error) => {
                tracing::warn!(error = %ErrorChain(&error), "a revocation was not carried out");
                unavailable()
            }
        }
    }
}

ready_made_service!(GlobalTokenRevocationService);

/// Returns the only bearer token of a request (RFC 6750, section 2.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (scheme, token) = values.next()?.to_str().ok()?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && values.next().is_none();
    Some(token.trim()).filter(|token| is_bearer && !token.is_empty())
}

fn unauthenticated() -> Response<Bytes> {
    let mut response = status(StatusCode::UNAUTHORIZED);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
