//! The plain values that a request carries.

use std::fmt;
use std::sync::Arc;

use http::Extensions;
use session_core::manager::{EndedSignal, LiveSession, TokenError};
use session_core::{
    EndReason, ProviderName, SecretDigest, Session, SessionId, Timestamp, TokenSet, UserId,
};

/// The live session of a request, in the request's extensions; cheap to clone.
///
/// Values as they were when the request arrived: no call on it waits or reads anything.
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

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.live.session()
    }

    /// The session's public id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.session().id
    }

    /// Whose session it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.session().user
    }

    /// Which client registration it was made with.
    #[must_use]
    pub fn provider(&self) -> &ProviderName {
        &self.session().provider
    }

    /// The access token, for an `Authorization` header: valid when the request arrived.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if it had expired and could not be renewed: a new sign-in is needed, or the
    /// provider is away. The session is live all the same. A [`Rejection`](crate::Rejection) can be
    /// made of it, for a handler's `?`.
    pub fn access_token(&self) -> Result<&str, TokenError> {
        match &self.token_error {
            None => Ok(self.tokens().access_token()),
            Some(error) => Err(error.clone()),
        }
    }

    /// All tokens, an expired access token too; with the ID token for an `id_token_hint`.
    #[must_use]
    pub fn tokens(&self) -> &TokenSet {
        self.live.tokens()
    }

    /// The last use that this process knows of; this request is one.
    #[must_use]
    pub fn last_seen_at(&self) -> Timestamp {
        self.live.last_seen_at()
    }

    /// A signal that completes when the session is over, for handlers that stream.
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

/// The session of the request's cookie has ended: in the extensions where a session is optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedSession {
    /// The session.
    pub id: SessionId,
    /// Why it ended.
    pub reason: EndReason,
    /// When it ended.
    pub at: Timestamp,
}

/// What the request's session cookie is known by, whether or not there is such a session: for
/// [`SignIn::supersedes`](session_core::manager::SignIn::supersedes) (S2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresentedCookie {
    digest: SecretDigest,
}

impl PresentedCookie {
    pub(crate) const fn new(digest: SecretDigest) -> Self {
        Self { digest }
    }

    /// The cookie of the request with these extensions, if it sent a well-formed one.
    ///
    /// ```
    /// use session_tower::PresentedCookie;
    ///
    /// assert_eq!(PresentedCookie::of(&http::Extensions::new()), None);
    /// ```
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        // With a live session there is no second extension: that saves an allocation.
        let current = extensions.get::<CurrentSession>().map(|current| Self::new(current.digest));
        current.or_else(|| extensions.get().copied())
    }

    /// The digest of the cookie's value.
    #[must_use]
    pub const fn digest(&self) -> SecretDigest {
        self.digest
    }
}
