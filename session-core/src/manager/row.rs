//! What all calls do with rows: open and seal their tokens, judge their timeouts, note their use,
//! and end them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::error::{ManagerError, TokenError, TokenErrorKind};
use super::live::LocalState;
use super::manager::Inner;
use crate::clock::Timestamp;
use crate::error_chain::ErrorChain;
use crate::metrics;
use crate::policy::{Freshness, RenewalSchedule, keep_alive};
use crate::session::{EndCause, EndReason, Origin, Session, SessionId, UserId};
use crate::store::{EndTarget, EndedSession, StoreError, StoredSession};
use crate::token::{ResourceToken, SealError, SealedTokens, TokenSet, Unreadable};

/// How many sessions one call ends: their rows are locked together.
const MAX_ENDS: usize = 100;

/// Reads a row that must be live, and the user's if one is named (store law 6).
pub(super) async fn find_live(
    inner: &Inner,
    user: Option<&UserId>,
    id: SessionId,
) -> Result<StoredSession, TokenError> {
    let found = inner.bounded(inner.store.find(id)).await?;
    let row = found.filter(|row| user.is_none_or(|user| *user == row.session.user));
    let row = row.ok_or(TokenError::new(TokenErrorKind::NotFound))?;
    check_live(inner, &row.session)?;
    Ok(row)
}

/// Returns an error if a session has ended or timed out. What is cached of one that has ended elsewhere
/// is out of date from then on.
pub(super) fn check_live(inner: &Inner, session: &Session) -> Result<(), TokenError> {
    let ended = session.ended.map(|ended| ended.reason);
    if let Some(reason) = ended {
        inner.local_states.learn_end(session.id, reason);
    }
    let reason = ended.or_else(|| timed_out(inner, session, inner.now()));
    reason.map_or(Ok(()), |reason| Err(TokenError::new(TokenErrorKind::Ended(reason))))
}

/// Opens a row's tokens. A row that does not open is logged and kept (F35).
pub(super) fn open_tokens(inner: &Inner, row: &StoredSession) -> Result<TokenSet, Unreadable> {
    let sealed = row.tokens.as_ref().ok_or(Unreadable::Tampered)?;
    let Session { id, user, provider, .. } = &row.session;
    TokenSet::open(sealed, &inner.keyring, *id, user, provider).inspect_err(|error| {
        metrics::unreadable();
        inner.unreadable_reads.fetch_add(1, Ordering::Relaxed);
        tracing::error!(session = %id, error = %ErrorChain(&error), "a session's tokens cannot be read");
    })
}

pub(super) fn seal_tokens(
    inner: &Inner,
    session: &Session,
    tokens: &TokenSet,
) -> Result<SealedTokens, SealError> {
    tokens.seal(&inner.keyring, session.id, &session.user, &session.provider)
}

/// Returns when a session's access token is due for renewal and when it expires.
pub(super) fn renewal_schedule(
    inner: &Inner,
    session: &Session,
    tokens: &TokenSet,
) -> RenewalSchedule {
    let spread = session.id.spread();
    inner.policy.renewal().schedule(tokens.received_at(), tokens.expires_at(), spread)
}

/// Returns how far the access token for a further resource is on its way to expiry.
pub(super) fn resource_freshness(
    inner: &Inner,
    session: &Session,
    token: &ResourceToken,
) -> Freshness {
    let spread = session.id.spread();
    let (received_at, expires_at) = (token.received_at(), Some(token.expires_at()));
    inner.policy.renewal().schedule(received_at, expires_at, spread).freshness(inner.now())
}

/// Returns whether a connection is due for its keep-alive. One that has reached a timeout is not.
pub(super) fn is_kept_alive_now(inner: &Inner, session: &Session) -> bool {
    let (interval, now) = (inner.policy.keep_alive(&session.provider), inner.now());
    let due_at = interval.zip(session.connection_renewed_at()).map(|(interval, renewed_at)| {
        keep_alive::due_at(renewed_at, interval, session.id.spread())
    });
    due_at.is_some_and(|due_at| now >= due_at) && timed_out(inner, session, now).is_none()
}

/// Returns what this process knows of a session whose row was just read.
pub(super) fn local_state(inner: &Inner, session: &Session) -> Arc<LocalState> {
    let timeouts = inner.policy.timeouts(&session.provider);
    inner.local_states.of(session, timeouts, inner.clock.monotonic())
}

/// Returns the last use of a session, counting uses that this process has not written yet.
pub(super) fn last_seen_at(inner: &Inner, id: SessionId, stored: Timestamp) -> Timestamp {
    inner.local_states.last_seen_at(id).map_or(stored, |known| known.max(stored))
}

/// Returns the last use from which a session's idle timeout counts.
pub(super) fn idle_since(inner: &Inner, id: SessionId, stored: Timestamp) -> Timestamp {
    inner.store_health.idle_since(last_seen_at(inner, id, stored))
}

/// Returns the timeout that a session has reached, if any.
pub(super) fn timed_out(inner: &Inner, session: &Session, now: Timestamp) -> Option<EndReason> {
    let idle_since = idle_since(inner, session.id, session.last_seen_at);
    inner.policy.timed_out(session, idle_since, now)
}

/// Keeps the sessions that have reached no timeout, each with its last use as this process knows
/// it.
pub(super) fn retain_live(inner: &Inner, mut sessions: Vec<Session>) -> Vec<Session> {
    let now = inner.now();
    for session in &mut sessions {
        session.last_seen_at = last_seen_at(inner, session.id, session.last_seen_at);
    }
    sessions.retain(|session| timed_out(inner, session, now).is_none());
    sessions
}

/// Returns for how long a migrated session still belongs to the system that it comes from; `None`
/// if it is ours. Asks the store at most once, and only about migrated sessions.
pub(super) async fn held_by_migration(
    inner: &Inner,
    session: &Session,
) -> Result<Option<Duration>, StoreError> {
    if session.origin != Origin::Imported {
        return Ok(None);
    }
    let (id, now) = (session.id, inner.clock.monotonic());
    if let Some(left) = inner.migration_hold.left(id, now) {
        return Ok(Some(left));
    }
    let is_held = inner.bounded(inner.store.is_held(id)).await?;
    Ok(is_held.then(|| inner.migration_hold.note(id, now)))
}

/// Notes a use, and writes it in a task of its own once per touch interval.
pub(super) fn note_use(inner: &Arc<Inner>, state: &Arc<LocalState>, now: Timestamp) {
    let interval = inner.policy.touch_interval();
    if state.note_use(now, interval) {
        let (task, state) = (Arc::clone(inner), Arc::clone(state));
        inner.tasks.spawn(async move {
            if let Err(error) = task.bounded(task.store.touch(state.id(), now)).await {
                tracing::warn!(error = %ErrorChain(&error), "the last use of a session was not written");
                state.retry_write_soon(interval);
            }
        });
    }
}

/// Ends sessions, in a task of its own: a caller that disconnects after the commit must not leave
/// them in this process's caches.
pub(super) async fn end(
    inner: &Arc<Inner>,
    target: EndTarget,
    cause: impl Into<EndCause>,
    now: Timestamp,
) -> Result<Vec<EndedSession>, ManagerError> {
    let (task, cause) = (Arc::clone(inner), cause.into());
    let work = async move {
        let named = match &target {
            EndTarget::One { id, .. } => Some(*id),
            _ => None,
        };
        let ended = task.bounded(task.store.end(target, cause, now)).await?;
        announce_ends(&task, &ended);
        if let Some(id) = named.filter(|_| ended.is_empty()) {
            // It may have ended elsewhere: then it must not be served here after this call either.
            task.local_states.doubt(id, task.clock.monotonic());
        }
        Ok(ended)
    };
    inner.tasks.detach(work).await
}

/// Ends a session that has reached this timeout, and returns whether it was still live. An idle end
/// names the last use that was read, so that a use elsewhere prevents it (store law 3).
pub(super) async fn end_timed_out(
    inner: &Arc<Inner>,
    session: &Session,
    timeout: EndReason,
    now: Timestamp,
) -> Result<bool, ManagerError> {
    let (id, last_seen_at) = (session.id, session.last_seen_at);
    let target = match timeout {
        EndReason::Idle => EndTarget::Unused { sessions: vec![(id, last_seen_at)] },
        _ => EndTarget::One { id, user: None },
    };
    Ok(!end(inner, target, timeout, now).await?.is_empty())
}

/// Ends sessions that have reached these timeouts, many in one effect, and returns how many were
/// still live and not used since they were read.
pub(super) async fn end_all_timed_out(
    inner: &Arc<Inner>,
    timed_out: &[(&Session, EndReason)],
    now: Timestamp,
) -> Result<usize, ManagerError> {
    let mut count = 0;
    for reason in [EndReason::Idle, EndReason::Absolute] {
        let of_reason = timed_out.iter().filter(|(_, timeout)| *timeout == reason);
        let sessions: Vec<_> = of_reason.map(|(one, _)| (one.id, one.last_seen_at)).collect();
        for sessions in sessions.chunks(MAX_ENDS) {
            let target = EndTarget::Unused { sessions: sessions.to_vec() };
            count += end(inner, target, reason, now).await?.len();
        }
    }
    Ok(count)
}

/// Makes ended sessions unusable in this process at once, and tells other nodes.
pub(super) fn announce_ends(inner: &Inner, ended: &[EndedSession]) {
    let monotonic = inner.clock.monotonic();
    for session in ended {
        tracing::info!(session = %session.id, reason = %session.reason, "session ended");
        metrics::ended(session.reason);
        inner.local_states.end(session.id, session.reason, monotonic);
        inner.caches.forget(&session.digests);
        inner.announcer.announce(session.id);
    }
}
