//! On whose behalf a request is made.

use std::sync::Arc;

use http::Extensions;
use session_core::manager::TokenError;
use session_core::token::ResourceToken;
use session_core::{Session, SessionId, SessionManager, TokenSet, UserId};

use super::origin::TokenKind;
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

/// The access token of one request.
pub(super) enum OutgoingToken {
    Main(Arc<TokenSet>),
    Resource(ResourceToken),
}

impl OutgoingToken {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Main(tokens) => tokens.access_token(),
            Self::Resource(token) => token.access_token(),
        }
    }

    pub(super) fn is_sender_constrained(&self) -> bool {
        match self {
            Self::Main(tokens) => tokens.is_sender_constrained(),
            Self::Resource(token) => token.is_sender_constrained(),
        }
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

    pub(super) async fn token(
        &self,
        manager: &SessionManager,
        kind: &TokenKind,
    ) -> Result<OutgoingToken, TokenError> {
        match (self, kind) {
            (Self::Current(current), TokenKind::Main) => {
                current.valid_tokens(manager).await.map(OutgoingToken::Main)
            }
            (Self::Current(current), TokenKind::Resource(resource)) => {
                let token = current.valid_token_for(manager, resource).await;
                token.map(OutgoingToken::Resource)
            }
            (Self::Named(OnBehalfOf { user, id }), TokenKind::Main) => {
                manager.access_token(user, *id).await.map(OutgoingToken::Main)
            }
            (Self::Named(OnBehalfOf { user, id }), TokenKind::Resource(resource)) => {
                let token = manager.access_token_for(user, *id, resource).await;
                token.map(OutgoingToken::Resource)
            }
        }
    }

    pub(super) async fn token_after_rejection(
        &self,
        manager: &SessionManager,
        kind: &TokenKind,
        rejected: &OutgoingToken,
    ) -> Result<OutgoingToken, TokenError> {
        let (user, id) = match self {
            Self::Current(current) => (current.user(), current.id()),
            Self::Named(named) => (&named.user, named.id),
        };
        let rejected = rejected.as_str();
        match kind {
            TokenKind::Main => {
                let tokens = manager.access_token_after_rejection(user, id, rejected).await;
                tokens.map(OutgoingToken::Main)
            }
            TokenKind::Resource(of) => {
                let token = manager.access_token_for_after_rejection(user, id, of, rejected).await;
                token.map(OutgoingToken::Resource)
            }
        }
    }
}
