//! The plain values in a request's extensions.

use std::fmt;
use std::sync::Arc;

use http::Extensions;
use session_core::manager::{EndedSignal, LiveSession, TokenError};
use session_core::middleware::{ErrorChain, SessionManagerExt as _};
use session_core::policy::authentication::RequiredAuthentication;
use session_core::session::{SecretDigest, SessionData};
use session_core::token::{Resource, ResourceToken};
use session_core::{
    EndReason, ProviderName, Session, SessionId, SessionManager, Timestamp, TokenSet, UserId,
};

use crate::cookie::PresentedValues;
use crate::rejection::Rejection;

/// The live session of a request, in the request's extensions.
///
/// It holds the values as they were when the request arrived, and does no I/O by itself. Only
/// [`fresh_tokens`](Self::fresh_tokens) waits, on the manager that it is given. Cheap to clone.
#[derive(Clone)]
pub struct CurrentSession {
    live: Arc<LiveSession>,
    digest: SecretDigest,
    token_error: Option<TokenError>,
}

impl CurrentSession {
    pub(crate) const fn new(
        live: Arc<LiveSession>,
        digest: SecretDigest,
        token_error: Option<TokenError>,
    ) -> Self {
        Self { live, digest, token_error }
    }

    /// Returns the session of a request with these extensions, or the rejection of one without.
    pub(crate) fn among(extensions: &Extensions) -> Result<&Self, Rejection> {
        if let Some(current) = extensions.get::<Self>() {
            return Ok(current);
        }
        Err(match extensions.get::<EndedSession>() {
            Some(ended) => Rejection::Ended(ended.reason),
            None if extensions.get::<UnreadableSession>().is_some() => Rejection::Unreadable,
            None if extensions.get::<NoSession>().is_some() => Rejection::NoSession,
            None => Rejection::MissingLayer,
        })
    }

    /// Checks that the user has authenticated recently and strongly enough, for a handler that needs
    /// it only sometimes; [`RequireAuthenticationLayer`](crate::RequireAuthenticationLayer) checks
    /// whole routes.
    ///
    /// The manager is the one of the layer. A session that was found by a previous secret, within the
    /// moments after a rotation, counts as not authenticated.
    ///
    /// # Errors
    ///
    /// Returns [`Rejection::InsufficientAuthentication`], which a handler's `?` answers: programs get
    /// the challenge of RFC 9470, page loads are sent to the sign-in.
    ///
    /// ```
    /// use std::time::Duration;
    /// use session_core::SessionManager;
    /// use session_core::policy::authentication::RequiredAuthentication;
    /// use session_tower::{CurrentSession, Rejection};
    ///
    /// async fn delete_account(
    ///     manager: &SessionManager,
    ///     current: CurrentSession,
    /// ) -> Result<&'static str, Rejection> {
    ///     current.require(manager, &RequiredAuthentication::within(Duration::from_secs(300)))?;
    ///     Ok("deleted")
    /// }
    /// ```
    pub fn require(
        &self,
        manager: &SessionManager,
        required: &RequiredAuthentication,
    ) -> Result<(), Rejection> {
        required.check(&self.session().authentication, manager.now()).map_err(|why| {
            tracing::debug!(session = %self.id(), %why, "a request needs another authentication");
            Rejection::InsufficientAuthentication(Arc::new(required.clone()))
        })
    }

    /// Returns the session.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.live.session()
    }

    /// Returns the session's id, which is public: it may be listed and logged.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.session().id
    }

    /// Returns the user whose session it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.session().user
    }

    /// Returns the name of the client registration that the user signed in with.
    #[must_use]
    pub fn provider(&self) -> &ProviderName {
        &self.session().provider
    }

    /// Returns the access token if it was valid when the request arrived. Waits for nothing; see
    /// [`fresh_tokens`](Self::fresh_tokens). It is no bearer token if the tokens are
    /// [bound to a key](TokenSet::is_sender_constrained).
    ///
    /// # Errors
    ///
    /// Returns a [`TokenError`] if the token had expired: of the kind `Expired`, and a renewal runs
    /// beside the request, or `SignInNeeded`. The session is live all the same. A handler's `?`
    /// converts the error to a [`Rejection`].
    pub fn access_token(&self) -> Result<&str, TokenError> {
        match &self.token_error {
            None => Ok(self.tokens().access_token()),
            Some(error) => Err(error.clone()),
        }
    }

    /// Returns the tokens with a valid access token, for an `Authorization` header: these ones, or
    /// renewed ones, for which it waits at most the policy's `max_renewal_wait`.
    ///
    /// The manager is the one of the layer. All callers that wait share one renewal.
    ///
    /// # Errors
    ///
    /// Returns the [`Rejection`] to answer with: a new sign-in is needed, the session has ended, or
    /// no token can be obtained now.
    pub async fn fresh_tokens(&self, manager: &SessionManager) -> Result<Arc<TokenSet>, Rejection> {
        match self.valid_tokens(manager).await {
            Ok(tokens) => Ok(tokens),
            Err(error) => {
                // The manager reports what is wrong with the provider, once.
                tracing::debug!(error = %ErrorChain(&error), "a request gets no access token");
                Err(Rejection::of_own_token(error))
            }
        }
    }

    pub(crate) async fn valid_tokens(
        &self,
        manager: &SessionManager,
    ) -> Result<Arc<TokenSet>, TokenError> {
        Ok(Arc::clone(manager.with_valid_token(&self.live).await?.tokens()))
    }

    /// Returns a valid access token for a further resource (RFC 8707), fetched with the session's
    /// refresh token if it has none; see
    /// [`access_token_for`](SessionManager::access_token_for).
    ///
    /// The manager is the one of the layer.
    ///
    /// # Errors
    ///
    /// Returns the [`Rejection`] to answer with, like [`fresh_tokens`](Self::fresh_tokens).
    pub async fn fresh_token_for(
        &self,
        manager: &SessionManager,
        resource: &Resource,
    ) -> Result<ResourceToken, Rejection> {
        let token = self.valid_token_for(manager, resource).await;
        token.map_err(Rejection::of_own_token)
    }

    pub(crate) async fn valid_token_for(
        &self,
        manager: &SessionManager,
        resource: &Resource,
    ) -> Result<ResourceToken, TokenError> {
        manager.resource_token(&self.live, resource).await
    }

    /// Returns all tokens, for instance the ID token for an `id_token_hint`. The access token may
    /// have expired; [`access_token`](Self::access_token) returns valid ones only.
    #[must_use]
    pub fn tokens(&self) -> &TokenSet {
        self.live.tokens()
    }

    /// Returns what the application keeps with the session, such as the user's name: see
    /// `UserOfSignIn::data` of the ready-made sign-in, and
    /// [`SignIn::data`](session_core::manager::SignIn::data).
    #[must_use]
    pub fn data(&self) -> &SessionData {
        self.tokens().data()
    }

    /// Returns the time of the last use that this process knows of. This request is a use.
    #[must_use]
    pub fn last_seen_at(&self) -> Timestamp {
        self.live.last_seen_at()
    }

    /// Counts as a use of the session, which puts its idle timeout off: for a stream or web socket
    /// whose messages are the user's, since an open connection alone is no activity.
    ///
    /// The manager is the one of the layer. Makes at most one write per touch interval, in a task of
    /// its own.
    pub fn touch(&self, manager: &SessionManager) {
        manager.touch(&self.live);
    }

    /// Returns a signal that completes when the session ends, for handlers that stream; see
    /// [`UntilEnded`](crate::UntilEnded).
    #[must_use]
    pub fn ended(&self) -> EndedSignal {
        self.live.ended_signal()
    }
}

impl fmt::Debug for CurrentSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentSession")
            .field("session", self.session())
            .field("token_error", &self.token_error)
            .finish_non_exhaustive()
    }
}

/// The ended session of the request's cookie, in the request's extensions where a session is
/// optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedSession {
    /// The id of the session.
    pub id: SessionId,
    /// Why it ended.
    pub reason: EndReason,
    /// When it ended.
    pub at: Timestamp,
}

/// The mark of a request whose session's tokens cannot be decrypted, in the request's extensions
/// where a session is optional.
///
/// The row and the cookie are kept until an operator has restored the key. Signing in and out work
/// meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableSession;

/// The mark of a request that the layer has found without a session, so that the extractor can tell
/// it from one that passed no layer, and a layer further inside forgets what this one found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoSession;

/// The mark beside [`NoSession`] of a layer whose cookie browsers keep on plain http too. It is no field
/// of the other mark: extensions allocate for a value that has a size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InsecureCookie;

/// The digests of the request's session cookies, whether or not there are such sessions: one, or
/// several of a name that another host can set.
///
/// A sign-in passes them to [`SignIn::supersedes`](session_core::manager::SignIn::supersedes), which
/// ends the sessions that the same browser had before (S2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedCookie {
    digests: Arc<[SecretDigest]>,
}

impl PresentedCookie {
    pub(crate) fn new(digest: SecretDigest) -> Self {
        Self { digests: Arc::new([digest]) }
    }

    /// Returns the digests of the well-formed values, if there are any.
    pub(crate) fn among(presented: &PresentedValues) -> Option<Self> {
        presented.first()?;
        let digests = presented.candidates().map(|candidate| candidate.digest).collect();
        Some(Self { digests })
    }

    /// Returns the cookie of the request with these extensions, if it sent a well-formed one.
    ///
    /// ```
    /// use session_tower::PresentedCookie;
    ///
    /// assert_eq!(PresentedCookie::of(&http::Extensions::new()), None);
    /// ```
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        // A request with a live session has no second extension, which saves an allocation.
        let current = extensions.get::<CurrentSession>().map(|current| Self::new(current.digest));
        current.or_else(|| extensions.get().cloned())
    }

    /// Returns the digests of the cookie's values, in the order of the request.
    pub fn digests(&self) -> impl Iterator<Item = SecretDigest> {
        self.digests.iter().copied()
    }
}
