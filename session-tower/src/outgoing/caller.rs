//! On whose behalf a request is made.

use std::sync::Arc;

use http::Extensions;
use session_core::manager::TokenError;
use session_core::{Session, SessionId, SessionManager, TokenSet, UserId};

use crate::current::CurrentSession;

/// Names a session on whose behalf a request is made, in the request's extensions: for a tool
/// client's connection or a job. A handler puts its [`CurrentSession`] there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnBehalfOf {
    user: UserId,
    id: SessionId,
}

impl OnBehalfOf {
    /// Names this session, for instance one that
    /// [`find_connection`](SessionManager::find_connection) or
    /// [`find_migrated`](SessionManager::find_migrated) has returned.
    #[must_use]
    pub fn session(session: &Session) -> Self {
        Self::id(&session.user, session.id)
    }

    /// Names a session of this user by its id.
    #[must_use]
    pub fn id(user: &UserId, id: SessionId) -> Self {
        Self { user: user.clone(), id }
    }
}

/// On whose behalf one request is made.
pub(super) enum Caller {
    Current(CurrentSession),
    Named(OnBehalfOf),
}

impl Caller {
    /// Takes the caller out of a request's extensions.
    pub(super) fn take(extensions: &mut Extensions) -> Option<Self> {
        let (current, named) = (extensions.remove::<CurrentSession>(), extensions.remove());
        named.map(Self::Named).or_else(|| current.map(Self::Current))
    }

    pub(super) async fn tokens(
        &self,
        manager: &SessionManager,
    ) -> Result<Arc<TokenSet>, TokenError> {
        match self {
            Self::Current(current) => current.valid_tokens(manager).await,
            Self::Named(named) => manager.access_token(&named.user, named.id).await,
        }
    }

    pub(super) async fn tokens_after_rejection(
        &self,
        manager: &SessionManager,
        rejected: &TokenSet,
    ) -> Result<Arc<TokenSet>, TokenError> {
        let (user, id) = match self {
            Self::Current(current) => (current.user(), current.id()),
            Self::Named(named) => (&named.user, named.id),
        };
        manager.access_token_after_rejection(user, id, rejected.access_token()).await
    }
}
