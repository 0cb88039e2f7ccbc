//! Migrated sessions: the first device claims one.

use std::sync::Arc;

use super::error::{ManagerError, ManagerErrorKind};
use super::manager::{Inner, SessionManager};
use super::row;
use crate::clock::Timestamp;
use crate::metrics;
use crate::session::{ProviderName, Session, SessionSecret, Subject, UserId};
use crate::store::{Digests, SecretRotation, StoreError, StoreErrorKind};

/// How many sessions are tried when other devices claim them first.
const MAX_TRIES: u32 = 16;

/// A migrated session that its first device has claimed. The secret belongs in the browser's cookie,
/// and nowhere else.
#[derive(Debug)]
#[non_exhaustive]
pub struct Claimed {
    /// The session.
    pub session: Session,
    /// The value of the browser's cookie; it cannot be read again later.
    pub secret: SessionSecret,
    /// When the session ends however much it is used; the cookie need not live longer.
    pub absolute_deadline: Option<Timestamp>,
}

/// # Migrated sessions
impl SessionManager {
    /// Claims a migrated session without a cookie for the first device that asks: the user keeps the
    /// tokens that the other system had, and need not sign in again.
    ///
    /// With a subject, claims only a session of that subject, or of that account id where the
    /// subject is not known ([`cap_subject`](crate::session::ProviderIdentity::cap_subject)); of
    /// several, the most recently admitted that no other device has claimed meanwhile. Without a
    /// subject there must be only one candidate. Counts as a use of the session, and ends nothing.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] of the kind `NotFound` if no session can be claimed; `Ambiguous`
    /// if there are several and no subject was given
    /// ([`candidates`](ManagerError::candidates) lists them); or `Unavailable` if the store cannot
    /// be reached.
    ///
    /// # Security
    ///
    /// The caller must have authenticated the user by other means than the session. A session whose
    /// response is lost stays claimed: the user signs in again.
    pub async fn claim(
        &self,
        user: &UserId,
        provider: &ProviderName,
        subject: Option<&Subject>,
    ) -> Result<Claimed, ManagerError> {
        let inner = Arc::clone(&self.inner);
        let (user, provider, subject) = (user.clone(), provider.clone(), subject.cloned());
        let work = async move { claim(&inner, &user, &provider, subject.as_ref()).await };
        self.inner.tasks.detach(work).await
    }

    /// Returns the most recently admitted migrated session of this user and provider, claimed or
    /// not. For callers without a cookie, such as jobs of the other system, until its migration is
    /// final.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable.
    pub async fn find_migrated(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Option<Session>, ManagerError> {
        let inner = &self.inner;
        let migrated = inner.bounded(inner.store.list_migrated(user, provider)).await?;
        Ok(row::retain_live(inner, migrated).into_iter().next())
    }
}

async fn claim(
    inner: &Arc<Inner>,
    user: &UserId,
    provider: &ProviderName,
    subject: Option<&Subject>,
) -> Result<Claimed, ManagerError> {
    for _ in 0..MAX_TRIES {
        let unclaimed = inner.bounded(inner.store.list_unclaimed(user, provider)).await?;
        let session = choose(row::retain_live(inner, unclaimed), subject)?;
        if let Some(claimed) = set_first_secret(inner, session).await? {
            return Ok(claimed);
        }
    }
    Err(StoreError::new(StoreErrorKind::Contended).into())
}

/// Gives a session its first secret; `None` if another device has claimed it, or it has ended.
async fn set_first_secret(
    inner: &Arc<Inner>,
    mut session: Session,
) -> Result<Option<Claimed>, ManagerError> {
    let secret = SessionSecret::generate()?;
    let (id, to) = (session.id, secret.digest());
    let now = inner.now();
    let rotation = SecretRotation::new(id, None, to, now);
    if !inner.bounded(inner.store.rotate_secret(rotation)).await? {
        return Ok(None);
    }
    inner.caches.forget(&Digests::first(Some(to)));
    metrics::claimed();
    tracing::info!(session = %id, provider = %session.provider, "session claimed");
    row::note_use(inner, &row::local_state(inner, &session), now);
    session.last_seen_at = session.last_seen_at.max(now);
    session.revision += 1;
    let absolute_deadline = inner.policy.absolute_deadline(&session);
    Ok(Some(Claimed { session, secret, absolute_deadline }))
}

/// Chooses the session that a device gets: the most recently admitted of the subject, or the only
/// one.
fn choose(
    mut candidates: Vec<Session>,
    subject: Option<&Subject>,
) -> Result<Session, ManagerError> {
    if subject.is_some() {
        candidates.retain(|session| session.identity.cap_subject().as_ref() == subject);
        candidates.truncate(1);
    }
    if candidates.len() > 1 {
        return Err(ManagerError::ambiguous(candidates));
    }
    candidates.pop().ok_or(ManagerError::new(ManagerErrorKind::NotFound))
}
