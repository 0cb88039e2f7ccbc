//! Sessions that `session-migrate` brought here from another system's table.

use async_trait::async_trait;

use crate::session::{ProviderName, Session, SessionId, UserId};
use crate::store::StoreError;

/// Finds sessions that `session-migrate` brought here. No method changes anything.
#[async_trait]
pub trait MigratedSessions {
    /// Returns the live migrated sessions of a user and provider that have no cookie, neither a
    /// current one nor a previous one, most recently admitted first (law 6).
    ///
    /// A device claims one by giving it its first secret
    /// ([`rotate_secret`](crate::store::SessionUpdates::rotate_secret), law 3).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn list_unclaimed(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError>;

    /// Returns the live migrated sessions of a user and provider whose migration is not final yet,
    /// claimed or not, most recently admitted first (law 6).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn list_migrated(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError>;

    /// Returns whether a session is held: it was migrated, and until the cutover of its migration
    /// only the system that it came from renews it.
    ///
    /// Returns `false` for an unknown session and for one that signed in here.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer.
    async fn is_held(&self, id: SessionId) -> Result<bool, StoreError>;
}
