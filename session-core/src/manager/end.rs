//! Ending sessions: one, all others, or all; by the user, an administrator or the provider.

use super::error::{ManagerError, ManagerErrorKind};
use super::manager::SessionManager;
use super::row;
use crate::session::{EndReason, ProviderName, SessionId, Subject, UserId};
use crate::store::EndTarget;

/// # Ending sessions
impl SessionManager {
    /// Signs a user out of one session, and leaves all others alone (L5). Returns whether the
    /// session was live and the user's.
    ///
    /// Does not wait for the provider: its refresh token is revoked later, by
    /// [`process_revocations`](Self::process_revocations) (V3, F41).
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable; the session may then still be live.
    pub async fn sign_out(&self, user: &UserId, id: SessionId) -> Result<bool, ManagerError> {
        let target = EndTarget::One { id, user: Some(user.clone()) };
        Ok(self.end(target, EndReason::SignedOut).await? > 0)
    }

    /// Ends one session of a user from another device.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] of the kind `NotFound` if there is no such live session or it
    /// belongs to another user (store law 6), or `Unavailable` if the store cannot be reached.
    pub async fn end_one(&self, user: &UserId, id: SessionId) -> Result<(), ManagerError> {
        self.end_only(user, id, EndReason::RevokedByUser).await
    }

    /// Ends one session of a user on behalf of an administrator (`RevokedByAdmin`).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`end_one`](Self::end_one).
    pub async fn end_one_as_admin(&self, user: &UserId, id: SessionId) -> Result<(), ManagerError> {
        self.end_only(user, id, EndReason::RevokedByAdmin).await
    }

    /// Ends all sessions of a user but this one, and returns how many (ASVS 7.4.3). Connections of tool
    /// clients are no devices and stay (F23): [`end_one`](Self::end_one) ends one of them,
    /// [`end_all`](Self::end_all) all.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable.
    pub async fn end_others(&self, user: &UserId, but: SessionId) -> Result<usize, ManagerError> {
        let target = EndTarget::Others { user: user.clone(), except: but };
        self.end(target, EndReason::RevokedByUser).await
    }

    /// Ends all sessions of a user, or those of one provider, and returns how many. For "sign out
    /// everywhere", an administrator (`RevokedByAdmin`), or a deleted account (ASVS 7.4.2, 7.4.5).
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable.
    pub async fn end_all(
        &self,
        user: &UserId,
        provider: Option<&ProviderName>,
        reason: EndReason,
    ) -> Result<usize, ManagerError> {
        let target = EndTarget::AllOf { user: user.clone(), provider: provider.cloned() };
        self.end(target, reason).await
    }

    /// Ends the sessions that a provider reports as over, and returns how many: those of a `sid`,
    /// or all of a subject (OpenID Connect Back-Channel Logout, B4). Without either it matches no
    /// session.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable.
    ///
    /// # Security
    ///
    /// The caller must have validated the logout token.
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
        self.end(target, EndReason::ProviderLogout).await
    }

    async fn end_only(
        &self,
        user: &UserId,
        id: SessionId,
        reason: EndReason,
    ) -> Result<(), ManagerError> {
        let target = EndTarget::One { id, user: Some(user.clone()) };
        match self.end(target, reason).await? {
            0 => Err(ManagerError::new(ManagerErrorKind::NotFound)),
            _ => Ok(()),
        }
    }

    async fn end(&self, target: EndTarget, reason: EndReason) -> Result<usize, ManagerError> {
        Ok(row::end(&self.inner, target, reason, self.inner.now()).await?.len())
    }
}
