//! From a cookie's digest to a live session, or to why there is none.

use std::sync::Arc;
use std::time::Duration;

use super::error::ManagerError;
use super::inner::{Inner, SessionManager};
use super::live::{Found, LiveSession};
use crate::clock::Timestamp;
use crate::policy::rotation;
use crate::session::{EndReason, Ended, SecretDigest, SessionId, UserId};
use crate::store::{Digests, EndTarget, StoreError, StoreErrorKind, StoredSession};
use crate::token::TokenSet;

/// For how long a superseded cookie is not cleared: a response that is still under way could clear
/// the new one.
const SUPERSEDED_GRACE: Duration = Duration::from_secs(60);

/// How often a row that changes under our hands is read again.
const MOST_READS: u32 = 4;

/// What a cookie's digest leads to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Resolution {
    /// A session that has ended: the person can be told why.
    Ended {
        /// The session.
        id: SessionId,
        /// When and why.
        ended: Ended,
    },
    /// A live session.
    Live(Arc<LiveSession>),
    /// A session that the same browser superseded a moment ago: counts as none, and its cookie must
    /// not be cleared, for the new one may already stand in its place.
    Superseded,
    /// None that we know of; or one of another user, which is the same answer (store law 6).
    Unknown,
}

/// One reading of a row.
enum Reading {
    /// It changed between the reading and the decision.
    Again,
    Settled(Resolution),
}

impl SessionManager {
    /// What a cookie's digest leads to, read from the store; with a user, only to his sessions.
    ///
    /// A session that has reached a timeout is ended here. A live one is used by this: its last use
    /// is noted, and a renewal that is due begins beside the request.
    ///
    /// # Errors
    ///
    /// [`ManagerError`]: the store is away, or the session's tokens do not open (its row is kept).
    pub async fn resolve(
        &self,
        digest: &SecretDigest,
        user: Option<&UserId>,
    ) -> Result<Resolution, ManagerError> {
        self.resolve_knowing(digest, user, None).await
    }

    /// [`resolve`](Self::resolve), for a cache whose entry has grown old: where the row still holds
    /// the tokens of `known` as they were sealed, they are not opened a second time.
    ///
    /// # Errors
    ///
    /// As at [`resolve`](Self::resolve).
    pub(crate) async fn resolve_knowing(
        &self,
        digest: &SecretDigest,
        user: Option<&UserId>,
        known: Option<&LiveSession>,
    ) -> Result<Resolution, ManagerError> {
        for _ in 0..MOST_READS {
            if let Reading::Settled(resolution) = self.inner.read(digest, user, known).await? {
                return Ok(resolution);
            }
        }
        Err(StoreError::new(StoreErrorKind::Contended).into())
    }
}

impl Inner {
    async fn read(
        self: &Arc<Self>,
        digest: &SecretDigest,
        user: Option<&UserId>,
        known: Option<&LiveSession>,
    ) -> Result<Reading, ManagerError> {
        let read_at = self.clock.monotonic();
        let found = self.bounded(self.store.find_by_digest(digest)).await?;
        let now = self.now();
        let is_theirs = |row: &StoredSession| user.is_none_or(|user| *user == row.session.user);
        let Some(row) = found.filter(is_theirs).filter(|row| is_accepted(row, digest, now)) else {
            return Ok(Reading::Settled(Resolution::Unknown));
        };
        if let Some(ended) = row.session.ended {
            return Ok(Reading::Settled(over(row.session.id, ended, now)));
        }
        if let Some(reason) = self.timed_out(&row, now) {
            return self.time_out(&row, reason, now).await;
        }
        self.confirm_new_secret(&row, digest, now);
        let live = self.open(row, *digest, read_at, known)?;
        if live.is_over() {
            // It ended on this process while its row was on the way here.
            return Ok(Reading::Again);
        }
        self.note_use(live.presence(), now);
        self.renew_if_due(&live, now);
        Ok(Reading::Settled(Resolution::Live(Arc::new(live))))
    }

    /// A row's session with its tokens opened.
    fn open(
        &self,
        row: StoredSession,
        presented: SecretDigest,
        read_at: Duration,
        known: Option<&LiveSession>,
    ) -> Result<LiveSession, ManagerError> {
        let tokens = match known.and_then(|known| known.tokens_sealed_as_in(&row)) {
            Some(tokens) => tokens,
            None => Arc::new(self.open_tokens(&row)?),
        };
        let presence = self.presences.of(row.session.id, row.session.last_seen_at);
        let StoredSession { session, digests, tokens: sealed, .. } = row;
        let found = Found { session, tokens, sealed, digests, presented, read_at };
        Ok(LiveSession::new(found, &self.policy, presence))
    }

    /// A row's tokens; a row that does not open is reported and kept (F35).
    pub(super) fn open_tokens(
        &self,
        row: &StoredSession,
    ) -> Result<TokenSet, crate::token::Unreadable> {
        let sealed = row.tokens.as_ref().ok_or(crate::token::Unreadable::Tampered)?;
        let session = &row.session;
        let (id, user, provider) = (session.id, &session.user, &session.provider);
        TokenSet::open(sealed, &self.keyring, id, user, provider).inspect_err(|error| {
            tracing::error!(session = %id, %error, "a session's tokens cannot be read");
        })
    }

    /// The timeout that a row has reached, counting uses that this process has not yet written.
    pub(super) fn timed_out(&self, row: &StoredSession, now: Timestamp) -> Option<EndReason> {
        let known = self.presences.last_seen_at(row.session.id);
        let last_seen_at =
            known.map_or(row.session.last_seen_at, |at| at.max(row.session.last_seen_at));
        self.policy.timed_out(&row.session, last_seen_at, now)
    }

    /// Ends what has timed out; an idle end names the last use that was read (store law 3).
    async fn time_out(
        self: &Arc<Self>,
        row: &StoredSession,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Reading, ManagerError> {
        let (id, last_seen_at) = (row.session.id, row.session.last_seen_at);
        let target = match reason {
            EndReason::Idle => EndTarget::Unused { id, last_seen_at },
            _ => EndTarget::One { id, user: None },
        };
        let ended = self.end(target, reason, now).await?;
        let over = Resolution::Ended { id, ended: Ended { at: now, reason } };
        Ok(if ended.is_empty() { Reading::Again } else { Reading::Settled(over) })
    }

    /// Notes in a task of its own that a rotated secret has arrived at its browser.
    fn confirm_new_secret(
        self: &Arc<Self>,
        row: &StoredSession,
        digest: &SecretDigest,
        now: Timestamp,
    ) {
        let unconfirmed =
            row.digests.previous.is_some_and(|previous| previous.confirmed_at.is_none());
        if unconfirmed && row.digests.current == Some(*digest) {
            let (inner, id, digest) = (Arc::clone(self), row.session.id, *digest);
            self.tasks.spawn(async move {
                let confirmed = inner.store.confirm_rotation(id, &digest, now);
                if let Err(error) = inner.bounded(confirmed).await {
                    tracing::warn!(%error, "a rotated secret's first use was not noted");
                }
            });
        }
    }
}

/// Whether this digest may still present the row: the current one, or the old one for a while.
fn is_accepted(row: &StoredSession, digest: &SecretDigest, now: Timestamp) -> bool {
    let Digests { current, previous } = row.digests;
    let is_previous_accepted = || {
        previous.filter(|previous| previous.digest == *digest).is_some_and(|previous| {
            rotation::is_previous_accepted(previous.rotated_at, previous.confirmed_at, now)
        })
    };
    current == Some(*digest) || is_previous_accepted()
}

fn over(id: SessionId, ended: Ended, now: Timestamp) -> Resolution {
    match ended.reason {
        EndReason::Superseded if now < ended.at + SUPERSEDED_GRACE => Resolution::Superseded,
        EndReason::Superseded => Resolution::Unknown,
        _ => Resolution::Ended { id, ended },
    }
}
