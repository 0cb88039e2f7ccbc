//! The user's sessions, for a page of devices.

use super::error::ManagerError;
use super::inner::{Inner, SessionManager};
use crate::session::{Origin, ProviderName, Session, SessionId, UserId};

/// One of a user's live sessions, for a page of devices: never with a token (L3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSession {
    /// The session.
    pub session: Session,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

impl SessionManager {
    /// The live sessions of a user, the last admitted first.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the store is away.
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

    /// The connection of a tool client: the last of this user and provider that has no cookie.
    ///
    /// A browser's session is never lent to a tool client (F23).
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the store is away.
    pub async fn find_connection(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Option<Session>, ManagerError> {
        let is_connection = |s: &Session| s.origin == Origin::Connection && s.provider == *provider;
        Ok(self.live_sessions(user).await?.into_iter().find(is_connection))
    }

    /// What is live by the policy too.
    async fn live_sessions(&self, user: &UserId) -> Result<Vec<Session>, ManagerError> {
        let sessions = self.inner.bounded(self.inner.store.list(user)).await?;
        Ok(self.inner.live_by_policy(sessions))
    }
}

impl Inner {
    /// Those of these live rows that have reached no timeout; each with its last use as this
    /// process knows it.
    pub(super) fn live_by_policy(&self, mut sessions: Vec<Session>) -> Vec<Session> {
        let now = self.now();
        for session in &mut sessions {
            let known = self.presences.last_seen_at(session.id);
            session.last_seen_at = session.last_seen_at.max(known.unwrap_or(session.last_seen_at));
        }
        sessions.retain(|s| self.policy.timed_out(s, s.last_seen_at, now).is_none());
        sessions
    }
}
