//! Ending sessions: one, all others, or all; by the user, an administrator or the provider.

use super::error::{ManagerError, ManagerErrorKind};
use super::manager::{Inner, SessionManager};
use super::row;
use crate::clock::Timestamp;
use crate::session::{
    Actor, EndCause, EndReason, ProviderLogout, ProviderName, SecretDigest, SessionId, UserId,
};
use crate::store::{EndTarget, StoredSession};

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
        Ok(self.end(target, EndReason::SignedOut.into()).await? > 0)
    }

    /// Ends one session of a user from another device.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] of the kind `NotFound` if there is no such live session or it
    /// belongs to another user (store law 6), or `Unavailable` if the store cannot be reached.
    pub async fn end_one(&self, user: &UserId, id: SessionId) -> Result<(), ManagerError> {
        self.end_only(user, id, EndReason::RevokedByUser.into()).await
    }

    /// Ends one session of a user on behalf of an administrator (`RevokedByAdmin`), whose name is
    /// recorded with the end if it is given (A1).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`end_one`](Self::end_one).
    pub async fn end_one_as_admin(
        &self,
        user: &UserId,
        id: SessionId,
        actor: impl Into<Option<Actor>> + Send,
    ) -> Result<(), ManagerError> {
        self.end_only(user, id, EndCause::by_admin(actor)).await
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
        self.end(target, EndReason::RevokedByUser.into()).await
    }

    /// Ends all sessions of a user, or those of one provider, and returns how many. For "sign out
    /// everywhere", an administrator ([`EndCause::by_admin`]), or a deleted account (ASVS 7.4.2,
    /// 7.4.5).
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// use session_core::session::{Actor, EndCause};
    /// use session_core::store::memory::MemoryStore;
    /// use session_core::{EndReason, Keyring, SessionManager, UserId};
    ///
    /// let keyring = Keyring::parse(&Keyring::generate_entry("example")?)?;
    /// let manager =
    ///     SessionManager::builder(MemoryStore::new()).keyring(keyring).start().await?;
    /// let ann = UserId::new("ann")?;
    /// let alice = EndCause::by_admin(Actor::new("alice@ops")?);
    /// assert_eq!(manager.end_all(&ann, None, alice).await?, 0);
    /// assert_eq!(manager.end_all(&ann, None, EndReason::SignedOut).await?, 0);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable.
    pub async fn end_all(
        &self,
        user: &UserId,
        provider: Option<&ProviderName>,
        cause: impl Into<EndCause> + Send,
    ) -> Result<usize, ManagerError> {
        let target = EndTarget::AllOf { user: user.clone(), provider: provider.cloned() };
        self.end(target, cause.into()).await
    }

    /// Ends the browser sessions that a provider reports as over, and returns how many: those of a
    /// `sid`, or all of a subject (OpenID Connect Back-Channel Logout, B4).
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable.
    ///
    /// # Security
    ///
    /// The caller must have validated the report, such as a logout token.
    pub async fn end_by_provider(&self, logout: ProviderLogout) -> Result<usize, ManagerError> {
        self.end(EndTarget::OfProvider(logout), EndReason::ProviderLogout.into()).await
    }

    async fn end_only(
        &self,
        user: &UserId,
        id: SessionId,
        cause: EndCause,
    ) -> Result<(), ManagerError> {
        let target = EndTarget::One { id, user: Some(user.clone()) };
        match self.end(target, cause).await? {
            0 => Err(ManagerError::new(ManagerErrorKind::NotFound)),
            _ => Ok(()),
        }
    }

    async fn end(&self, target: EndTarget, cause: EndCause) -> Result<usize, ManagerError> {
        Ok(row::end(&self.inner, target, cause, self.inner.now()).await?.len())
    }
}

/// Signs out the session that a cookie leads to, whether or not its tokens can be read.
pub(crate) async fn sign_out_presented(
    inner: &Inner,
    digest: &SecretDigest,
    user: Option<&UserId>,
) -> Result<bool, ManagerError> {
    end_presented(inner, digest, user, EndReason::SignedOut, inner.now()).await
}

/// Ends the live session that a cookie leads to, if it is the user's; returns whether there was one.
pub(super) async fn end_presented(
    inner: &Inner,
    digest: &SecretDigest,
    user: Option<&UserId>,
    reason: EndReason,
    now: Timestamp,
) -> Result<bool, ManagerError> {
    let found = inner.bounded(inner.store.find_by_digest(digest)).await?;
    let leads_to = |row: &StoredSession| {
        row.session.is_live()
            && row.digests.accepts(digest, now)
            && user.is_none_or(|user| *user == row.session.user)
    };
    let Some(row) = found.filter(leads_to) else { return Ok(false) };
    let target = EndTarget::One { id: row.session.id, user: None };
    let ended = inner.bounded(inner.store.end(target, reason.into(), now)).await?;
    row::announce_ends(inner, &ended);
    Ok(!ended.is_empty())
}
