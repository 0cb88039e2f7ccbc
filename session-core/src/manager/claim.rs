//! Sessions that were moved here from another system's table: the first device claims one.

use std::sync::Arc;

use super::error::{ManagerError, ManagerErrorKind};
use super::inner::{Inner, SessionManager};
use crate::clock::Timestamp;
use crate::session::{ProviderName, Session, SessionSecret, Subject, UserId};
use crate::store::{Digests, SecretRotation, StoreError, StoreErrorKind};

/// How often the next one is tried where other devices were faster.
const MOST_TRIES: u32 = 16;

/// A moved session has its first device: the secret is for the browser's cookie, and nowhere else.
#[derive(Debug)]
pub struct Claimed {
    /// The session.
    pub session: Session,
    /// What the browser's cookie must hold; it can never be read again.
    pub secret: SessionSecret,
    /// When the session ends however much it is used: the cookie needs to live no longer.
    pub absolute_deadline: Option<Timestamp>,
}

impl SessionManager {
    /// Gives a session that was moved here, and that no cookie points at, to the first device that
    /// asks: the user keeps the tokens that the other system had, and need not sign in anew.
    ///
    /// With a subject, only a session of that subject, or of that account id where its subject is
    /// not known ([`cap_subject`](crate::ProviderIdentity::cap_subject)); of several, the last
    /// admitted that no other device was given meanwhile. Without one there must be no choice. It
    /// is a use of the session, and ends nothing.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] of the kind `NotFound` if there is none, or every one has its device;
    /// `Ambiguous` if there are several and no subject says which
    /// ([`candidates`](ManagerError::candidates) lists them); or the store is away.
    ///
    /// # Security
    ///
    /// The caller has made sure who the user is, by other means than the session. A response that
    /// is lost on the way has claimed the session all the same: the person signs in anew.
    pub async fn claim(
        &self,
        user: &UserId,
        provider: &ProviderName,
        subject: Option<&Subject>,
    ) -> Result<Claimed, ManagerError> {
        let inner = Arc::clone(&self.inner);
        let (user, provider, subject) = (user.clone(), provider.clone(), subject.cloned());
        let work = async move { inner.claim_one(&user, &provider, subject.as_ref()).await };
        let shutting_down = || Err(ManagerError::new(ManagerErrorKind::ShuttingDown));
        self.inner.tasks.detach(work).await.unwrap_or_else(shutting_down)
    }

    /// The last admitted session of this user and provider that was moved here, claimed or not: for
    /// callers without a cookie, such as jobs that the other system ran, until its move is final.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the store is away.
    pub async fn find_migrated(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Option<Session>, ManagerError> {
        let inner = &self.inner;
        let legacy = inner.bounded(inner.store.list_migrated(user, provider)).await?;
        Ok(inner.live_by_policy(legacy).into_iter().next())
    }
}

impl Inner {
    async fn claim_one(
        self: &Arc<Self>,
        user: &UserId,
        provider: &ProviderName,
        subject: Option<&Subject>,
    ) -> Result<Claimed, ManagerError> {
        for _ in 0..MOST_TRIES {
            let unclaimed = self.bounded(self.store.list_unclaimed(user, provider)).await?;
            let session = choose(self.live_by_policy(unclaimed), subject)?;
            if let Some(claimed) = self.give(session).await? {
                return Ok(claimed);
            }
        }
        Err(StoreError::new(StoreErrorKind::Contended).into())
    }

    /// Gives a session its first secret; `None` if another device has got it, or it has ended.
    async fn give(self: &Arc<Self>, mut session: Session) -> Result<Option<Claimed>, ManagerError> {
        let secret = SessionSecret::generate()?;
        let (id, to) = (session.id, secret.digest());
        let rotation = SecretRotation { id, from: None, to, previous: None };
        if !self.bounded(self.store.rotate_secret(rotation)).await? {
            return Ok(None);
        }
        self.observers.forget(&Digests { current: Some(to), previous: None });
        tracing::info!(session = %id, provider = %session.provider, "session claimed");
        let now = self.now();
        self.note_use(&self.presences.of(id, session.last_seen_at), now);
        session.last_seen_at = session.last_seen_at.max(now);
        session.revision += 1;
        let timeouts = self.policy.timeouts(&session.provider);
        let absolute_deadline = timeouts.absolute_deadline(session.timeouts_from);
        Ok(Some(Claimed { session, secret, absolute_deadline }))
    }
}

/// The session that a device gets: the last admitted of the subject, or the only one.
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
