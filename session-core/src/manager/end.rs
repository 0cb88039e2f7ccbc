//! Ending sessions: one, all others, all; by the person, an administrator or the provider.

use std::sync::Arc;

use super::error::{ManagerError, ManagerErrorKind};
use super::inner::{Inner, SessionManager};
use crate::clock::Timestamp;
use crate::session::{EndReason, ProviderName, SessionId, Subject, UserId};
use crate::store::{EndTarget, EndedSession};

impl SessionManager {
    /// Signs out of one session; no other is touched (L5). Whether it was live until now.
    ///
    /// The provider is asked to revoke the refresh token later, from the outbox: signing out never
    /// waits for it (V3, F41).
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the store is away: the session may then still be live.
    pub async fn sign_out(&self, id: SessionId) -> Result<bool, ManagerError> {
        let target = EndTarget::One { id, user: None };
        Ok(!self.end(target, EndReason::SignedOut).await?.is_empty())
    }

    /// Ends one session of a user from another of his devices.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] of the kind `NotFound` if there is no such live session, or it is another
    /// user's (store law 6); or the store is away.
    pub async fn end_one(&self, user: &UserId, id: SessionId) -> Result<(), ManagerError> {
        let target = EndTarget::One { id, user: Some(user.clone()) };
        match self.end(target, EndReason::RevokedByUser).await?.is_empty() {
            true => Err(ManagerError::new(ManagerErrorKind::NotFound)),
            false => Ok(()),
        }
    }

    /// Ends all sessions of a user but this one; gives how many (ASVS 7.4.3).
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the store is away.
    pub async fn end_others(&self, user: &UserId, but: SessionId) -> Result<usize, ManagerError> {
        let target = EndTarget::Others { user: user.clone(), except: but };
        Ok(self.end(target, EndReason::RevokedByUser).await?.len())
    }

    /// Ends all sessions of a user, or those of one provider; gives how many. For "sign out
    /// everywhere", an administrator (`RevokedByAdmin`), or a deleted account (ASVS 7.4.2, 7.4.5).
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the store is away.
    pub async fn end_all(
        &self,
        user: &UserId,
        provider: Option<&ProviderName>,
        reason: EndReason,
    ) -> Result<usize, ManagerError> {
        let target = EndTarget::AllOf { user: user.clone(), provider: provider.cloned() };
        Ok(self.end(target, reason).await?.len())
    }

    /// Ends what the provider says is over: the sessions of a `sid`, or all of a subject (OpenID
    /// Connect Back-Channel Logout, B4); gives how many. With neither, none.
    ///
    /// The caller has validated the logout token.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the store is away.
    pub async fn end_by_provider(
        &self,
        issuer: &str,
        subject: Option<&Subject>,
        sid: Option<&str>,
    ) -> Result<usize, ManagerError> {
        if subject.is_none() && sid.is_none() {
            return Ok(0);
        }
        let target = EndTarget::OfProvider {
            issuer: issuer.to_owned(),
            subject: subject.cloned(),
            sid: sid.map(str::to_owned),
        };
        Ok(self.end(target, EndReason::ProviderLogout).await?.len())
    }

    async fn end(
        &self,
        target: EndTarget,
        reason: EndReason,
    ) -> Result<Vec<EndedSession>, ManagerError> {
        self.inner.end(target, reason, self.inner.now()).await
    }
}

impl Inner {
    /// Ends sessions in a task of its own: whoever hangs up after the commit must not leave them
    /// alive in this process's caches.
    pub(super) async fn end(
        self: &Arc<Self>,
        target: EndTarget,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, ManagerError> {
        let inner = Arc::clone(self);
        let work = async move {
            let ended = inner.bounded(inner.store.end(target, reason, now)).await?;
            inner.announce_ends(&ended);
            Ok(ended)
        };
        let shutting_down = || Err(ManagerError::new(ManagerErrorKind::ShuttingDown));
        self.tasks.detach(work).await.unwrap_or_else(shutting_down)
    }

    /// Makes sessions that a store's call ended be over on this process, at once.
    pub(super) fn announce_ends(&self, ended: &[EndedSession]) {
        let monotonic = self.clock.monotonic();
        for session in ended {
            tracing::info!(session = %session.id, reason = %session.reason, "session ended");
            self.presences.end(session.id, session.reason, monotonic);
            self.observers.forget(&session.digests);
        }
    }
}
