//! A new secret for a session that lives on.

use std::sync::Arc;

use super::error::{ManagerError, ManagerErrorKind};
use super::inner::{Inner, SessionManager};
use crate::clock::Timestamp;
use crate::policy::rotation;
use crate::session::{SecretDigest, SessionId, SessionSecret};
use crate::store::{Digests, PreviousDigest, SecretRotation, StoredSession};

/// What became of a rotation.
#[derive(Debug)]
pub enum Rotation {
    /// The cookie must hold this secret from now on; the old one is accepted for a while.
    Rotated {
        /// The new secret.
        secret: SessionSecret,
        /// When the session ends however much it is used.
        absolute_deadline: Option<Timestamp>,
    },
    /// Another rotation is under way: its response may not have arrived, so nothing was changed. Or
    /// the session's move is: until its switch the other system still needs the cookie's value.
    InProgress,
}

impl SessionManager {
    /// Gives a session a new secret: on a change of privilege, on demand, or at the first use of a
    /// migrated system's cookie. One update of the same row: cap, age and tokens stay.
    ///
    /// The old secret is accepted until the new one was first presented plus 30 s, at most ten
    /// minutes; meanwhile there is no second rotation, so that a lost `Set-Cookie` loses nobody.
    /// If nobody has presented the new secret for a minute, its response is taken for lost and
    /// another secret takes its place, once, while the old one keeps its ten minutes.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the session has ended or never was, or the store is away.
    pub async fn rotate_secret(&self, id: SessionId) -> Result<Rotation, ManagerError> {
        let inner = Arc::clone(&self.inner);
        let work = async move { inner.rotate_secret(id).await };
        let shutting_down = || Err(ManagerError::new(ManagerErrorKind::ShuttingDown));
        self.inner.tasks.detach(work).await.unwrap_or_else(shutting_down)
    }
}

impl Inner {
    async fn rotate_secret(self: &Arc<Self>, id: SessionId) -> Result<Rotation, ManagerError> {
        if self.holds.left(id, self.clock.monotonic()).is_some() {
            return Ok(Rotation::InProgress);
        }
        let row = self.bounded(self.store.find(id)).await?;
        let row = row.ok_or(ManagerError::new(ManagerErrorKind::NotFound))?;
        if let Some(ended) = row.session.ended {
            return Err(ManagerError::new(ManagerErrorKind::Ended(ended.reason)));
        }
        if self.held_for(&row.session).await?.is_some() {
            return Ok(Rotation::InProgress);
        }
        let now = self.now();
        let Some(previous) = previous_after(&row.digests, now) else {
            return Ok(Rotation::InProgress);
        };
        let secret = SessionSecret::generate()?;
        let (from, to) = (row.digests.current, secret.digest());
        let rotation = SecretRotation { id, from, to, previous };
        if !self.bounded(self.store.rotate_secret(rotation)).await? {
            return Ok(Rotation::InProgress);
        }
        self.forget_all(&row, to);
        let timeouts = self.policy.timeouts(&row.session.provider);
        let absolute_deadline = timeouts.absolute_deadline(row.session.timeouts_from);
        Ok(Rotation::Rotated { secret, absolute_deadline })
    }

    fn forget_all(&self, row: &StoredSession, new: SecretDigest) {
        self.observers.forget(&row.digests);
        self.observers.forget(&Digests { current: Some(new), previous: None });
    }
}

/// The old secret beside one that takes a lost one's place.
///
/// The new secret's response is under way from now on, so that a second request with the old one
/// does not replace it at once: only one response's cookie would be good then. The old secret's
/// ten minutes go on; as there is one place for the moment they end at, they end as if the new
/// secret was first presented 30 s before, and there is no third secret.
fn reissued(old: PreviousDigest, now: Timestamp) -> PreviousDigest {
    let until = rotation::accepted_until(old.rotated_at, old.confirmed_at);
    let after_confirmation = rotation::accepted_until(now, Some(now)).since(now);
    let confirmed_at = Some(until - after_confirmation);
    PreviousDigest { rotated_at: now, confirmed_at, ..old }
}

/// What stays acceptable beside a new secret; `None` if no rotation may happen now.
fn previous_after(digests: &Digests, now: Timestamp) -> Option<Option<PreviousDigest>> {
    let replaced = digests.current.map(|digest| PreviousDigest {
        digest,
        rotated_at: now,
        confirmed_at: None,
    });
    match digests.previous {
        Some(old)
            if rotation::is_new_secret_lost(old.rotated_at, old.confirmed_at, now)
                && rotation::is_previous_accepted(old.rotated_at, old.confirmed_at, now) =>
        {
            Some(Some(reissued(old, now)))
        }
        Some(old) if rotation::is_previous_accepted(old.rotated_at, old.confirmed_at, now) => None,
        _ => Some(replaced),
    }
}
