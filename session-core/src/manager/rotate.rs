//! A new secret for a session that goes on.

use std::sync::Arc;

use super::error::{ManagerError, ManagerErrorKind};
use super::manager::{Inner, SessionManager};
use super::row;
use crate::clock::Timestamp;
use crate::policy::rotation;
use crate::session::{SessionId, SessionSecret, UserId};
use crate::store::{Digests, PreviousDigest, SecretRotation};

/// The result of a rotation.
#[derive(Debug)]
#[non_exhaustive]
pub enum Rotation {
    /// Nothing was changed, because another rotation is in progress and its response may not have
    /// arrived; or because the session's migration is: until the cutover the other system still
    /// needs the cookie's value.
    InProgress,
    /// The cookie must hold this secret from now on; the previous one is accepted for a while.
    Rotated {
        /// The new secret.
        secret: SessionSecret,
        /// When the session ends however much it is used.
        absolute_deadline: Option<Timestamp>,
    },
}

/// # Rotating the secret
impl SessionManager {
    /// Gives a session a new secret: after a change of privilege, on demand, or at the first use of
    /// a migrated cookie. Updates the digest of the same row; cap, age and tokens stay.
    ///
    /// The previous secret is accepted until 30 seconds after the new one was first presented, at
    /// most for ten minutes. Meanwhile there is no second rotation, so the user stays signed in even
    /// if the `Set-Cookie` is lost. If the new secret was not presented for a minute, its response counts as lost:
    /// another secret replaces it, once, while the previous one keeps its ten minutes.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] of the kind `NotFound` if there is no such session or it belongs
    /// to another user, `Ended` if it has ended, or `Unavailable` if the store cannot be reached.
    pub async fn rotate_secret(
        &self,
        user: &UserId,
        id: SessionId,
    ) -> Result<Rotation, ManagerError> {
        let (inner, user) = (Arc::clone(&self.inner), user.clone());
        self.inner.tasks.detach(async move { rotate(&inner, &user, id).await }).await
    }
}

async fn rotate(inner: &Inner, user: &UserId, id: SessionId) -> Result<Rotation, ManagerError> {
    if inner.migration_hold.left(id, inner.clock.monotonic()).is_some() {
        return Ok(Rotation::InProgress);
    }
    let row = inner.bounded(inner.store.find(id)).await?.filter(|row| row.session.user == *user);
    let row = row.ok_or(ManagerError::new(ManagerErrorKind::NotFound))?;
    if let Some(ended) = row.session.ended {
        return Err(ManagerError::new(ManagerErrorKind::Ended(ended.reason)));
    }
    if row::held_by_migration(inner, &row.session).await?.is_some() {
        return Ok(Rotation::InProgress);
    }
    let now = inner.now();
    let Some(previous) = previous_after(&row.digests, now) else {
        return Ok(Rotation::InProgress);
    };
    let secret = SessionSecret::generate()?;
    let (from, to) = (row.digests.current, secret.digest());
    // The holder of the previous secret has not shown the authentication that is stored.
    let digest_of = |previous: Option<PreviousDigest>| previous.map(|previous| previous.digest);
    let is_reissued = previous.is_some() && digest_of(row.digests.previous) == digest_of(previous);
    let rotation = SecretRotation::new(id, from, to, now)
        .with_previous(previous)
        .forgetting_authentication(is_reissued);
    if !inner.bounded(inner.store.rotate_secret(rotation)).await? {
        return Ok(Rotation::InProgress);
    }
    inner.caches.forget(&row.digests);
    inner.caches.forget(&Digests::first(Some(to)));
    let absolute_deadline = inner.policy.absolute_deadline(&row.session);
    Ok(Rotation::Rotated { secret, absolute_deadline })
}

/// Returns the digest that stays accepted beside a new secret; `None` if no rotation may happen
/// now.
fn previous_after(digests: &Digests, now: Timestamp) -> Option<Option<PreviousDigest>> {
    let replaced = digests.current.map(|digest| PreviousDigest {
        digest,
        rotated_at: now,
        confirmed_at: None,
    });
    match digests.previous {
        Some(old) if rotation::is_previous_accepted(old.rotated_at, old.confirmed_at, now) => {
            let is_lost = rotation::is_new_secret_lost(old.rotated_at, old.confirmed_at, now);
            is_lost.then(|| Some(reissued(old, now)))
        }
        _ => Some(replaced),
    }
}

/// Returns the previous digest beside a secret that replaces a lost one.
///
/// The response with the new secret is in flight from now on, so a second request with the previous
/// secret must not replace it again: then only one response's cookie would be valid. The previous
/// secret's ten minutes go on; as there is one field for their end, it is stored as if the new
/// secret was first presented 30 seconds before that, and there is no third secret.
fn reissued(old: PreviousDigest, now: Timestamp) -> PreviousDigest {
    let until = rotation::accepted_until(old.rotated_at, old.confirmed_at);
    let after_confirmation = rotation::accepted_until(now, Some(now)).since(now);
    let confirmed_at = Some(until - after_confirmation);
    PreviousDigest { rotated_at: now, confirmed_at, ..old }
}
