//! From a cookie's digest to a live session, or to the reason why there is none.

use std::sync::Arc;
use std::time::Duration;

use super::error::ManagerError;
use super::live::{LiveSession, ReadSession, renew_if_due};
use super::manager::{Inner, SessionManager};
use super::row;
use crate::clock::Timestamp;
use crate::error_chain::ErrorChain;
use crate::session::{EndReason, Ended, SecretDigest, SessionId, UserId};
use crate::store::{StoreError, StoreErrorKind, StoredSession};
use crate::token::SealedTokens;

/// For how long a superseded cookie is not cleared: a response in flight could clear the new one.
const SUPERSEDED_GRACE: Duration = Duration::from_secs(60);

/// How often a row that changes during the decision is read again.
const MAX_READS: u32 = 4;

/// What a cookie's digest leads to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Resolution {
    /// A session that has ended; the user can be told why.
    Ended {
        /// The session.
        id: SessionId,
        /// When and why it ended.
        ended: Ended,
    },
    /// A live session.
    Live(Arc<LiveSession>),
    /// A session that the same browser superseded a moment ago. Counts as none; its cookie must not
    /// be cleared, because the browser may already hold the new one.
    Superseded,
    /// No known session, or one of another user, which is the same answer (store law 6).
    Unknown,
}

/// # Resolving a cookie
impl SessionManager {
    /// Resolves a cookie's digest to its session, read from the store; with a user, only to a
    /// session of that user.
    ///
    /// A session that has reached a timeout is ended. For a live one this counts as a use: the last
    /// use is noted, and a renewal that is due starts beside the request.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable, or the session's tokens cannot be
    /// read (its row is kept).
    pub async fn resolve(
        &self,
        digest: &SecretDigest,
        user: Option<&UserId>,
    ) -> Result<Resolution, ManagerError> {
        resolve(&self.inner, digest, user, None).await
    }
}

/// Resolves a digest, reusing the opened tokens of `known` if its row has not changed.
pub(crate) async fn resolve(
    inner: &Arc<Inner>,
    digest: &SecretDigest,
    user: Option<&UserId>,
    known: Option<&LiveSession>,
) -> Result<Resolution, ManagerError> {
    for _ in 0..MAX_READS {
        if let Some(resolution) = read(inner, digest, user, known).await? {
            return Ok(resolution);
        }
    }
    Err(StoreError::new(StoreErrorKind::Contended).into())
}

/// Reads the row once; `None` if it changed between the read and the decision.
async fn read(
    inner: &Arc<Inner>,
    digest: &SecretDigest,
    user: Option<&UserId>,
    known: Option<&LiveSession>,
) -> Result<Option<Resolution>, ManagerError> {
    let read_at = inner.clock.monotonic();
    let found = inner.bounded(inner.store.find_by_digest(digest)).await?;
    let now = inner.now();
    let is_users = |row: &StoredSession| user.is_none_or(|user| *user == row.session.user);
    let Some(row) = found.filter(is_users).filter(|row| row.digests.accepts(digest, now)) else {
        return Ok(Some(Resolution::Unknown));
    };
    if let Some(ended) = row.session.ended {
        inner.local_states.learn_end(row.session.id, ended.reason);
        return Ok(Some(ended_resolution(row.session.id, ended, now)));
    }
    if let Some(reason) = row::timed_out(inner, &row.session, now) {
        let id = row.session.id;
        let is_ended = row::end_timed_out(inner, &row.session, reason, now).await?;
        return Ok(is_ended.then_some(Resolution::Ended { id, ended: Ended { at: now, reason } }));
    }
    confirm_new_secret(inner, &row, digest, now);
    let tokens = match known.and_then(|known| known.tokens_if_unchanged(&row)) {
        Some(tokens) => tokens,
        None => Arc::new(row::open_tokens(inner, &row)?),
    };
    let seal_tags = row.tokens.as_ref().map(SealedTokens::tags);
    let StoredSession { session, digests, .. } = row;
    let read = ReadSession { session, tokens, seal_tags, digests, presented: *digest, read_at };
    let live = LiveSession::new(inner, read);
    if live.state().is_over() {
        // It ended in this process while its row was being read.
        return Ok(None);
    }
    row::note_use(inner, live.state(), now);
    renew_if_due(inner, &live, now);
    Ok(Some(Resolution::Live(Arc::new(live))))
}

/// Notes in a task of its own that the browser has received a rotated secret.
fn confirm_new_secret(
    inner: &Arc<Inner>,
    row: &StoredSession,
    digest: &SecretDigest,
    now: Timestamp,
) {
    let is_unconfirmed =
        row.digests.previous.is_some_and(|previous| previous.confirmed_at.is_none());
    if is_unconfirmed && row.digests.current == Some(*digest) {
        let (task, id, digest) = (Arc::clone(inner), row.session.id, *digest);
        inner.tasks.spawn(async move {
            let confirmed = task.store.confirm_rotation(id, &digest, now);
            if let Err(error) = task.bounded(confirmed).await {
                tracing::warn!(error = %ErrorChain(&error), "the first use of a rotated secret was not noted");
            }
        });
    }
}

fn ended_resolution(id: SessionId, ended: Ended, now: Timestamp) -> Resolution {
    match ended.reason {
        EndReason::Superseded if now < ended.at + SUPERSEDED_GRACE => Resolution::Superseded,
        EndReason::Superseded => Resolution::Unknown,
        _ => Resolution::Ended { id, ended },
    }
}
