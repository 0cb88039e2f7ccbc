//! The user's sessions, for a page of devices.

use serde::Serialize;

use super::error::ManagerError;
use super::manager::SessionManager;
use super::row;
use crate::session::{Origin, ProviderName, Session, SessionId, UserId};

/// One of a user's live sessions, for a page of devices. Never contains a token (L3).
///
/// Serializes to one object: what [`Session`] serializes to, and `is_current`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListedSession {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// Whether it is the session that asks.
    pub is_current: bool,
}

/// # Listing sessions
impl SessionManager {
    /// Returns the live sessions of a user, most recently admitted first.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable.
    pub async fn list(
        &self,
        user: &UserId,
        current: Option<SessionId>,
    ) -> Result<Vec<ListedSession>, ManagerError> {
        let sessions = self.live_sessions(user).await?;
        let listed = sessions.into_iter().map(|session| {
            let is_current = Some(session.id) == current;
            ListedSession { session, is_current }
        });
        Ok(listed.collect())
    }

    /// Returns the connection of a tool client: the most recently admitted session of this user and
    /// provider that was made by [`connect`](Self::connect).
    ///
    /// A browser's session is never lent to a tool client (F23).
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable.
    pub async fn find_connection(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Option<Session>, ManagerError> {
        let is_connection = |s: &Session| s.origin == Origin::Connection && s.provider == *provider;
        Ok(self.live_sessions(user).await?.into_iter().find(is_connection))
    }

    async fn live_sessions(&self, user: &UserId) -> Result<Vec<Session>, ManagerError> {
        let sessions = self.inner.bounded(self.inner.store.list(user)).await?;
        Ok(row::retain_live(&self.inner, sessions))
    }
}
