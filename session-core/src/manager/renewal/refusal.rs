//! What a refusal of the provider means: the end of the session, or that another process has
//! renewed it.

use std::time::Duration;

use super::attempt::{MAX_ROUNDS, OpenedRow, RenewalAttempt};
use super::lease::HeldLease;
use super::single_flight::Renewed;
use crate::event::RenewalFailure;
use crate::manager::error::{DEFAULT_RETRY_AFTER, TokenError, TokenErrorKind};
use crate::manager::row;
use crate::metrics;
use crate::session::EndReason;
use crate::store::EndTarget;

/// Ends a session whose refresh token was refused, unless it has other tokens by now (F8).
pub(super) async fn refused(
    attempt: &RenewalAttempt<'_>,
    opened: OpenedRow,
    lease: &mut HeldLease<'_>,
) -> Result<Renewed, TokenError> {
    metrics::renewal_failed(RenewalFailure::Refused);
    attempt.record(&opened.row.session, RenewalFailure::Refused).await;
    // The former owner may have rotated the token, and still be trying to write it.
    if lease.was_taken_over && !outwait_former_owner(attempt, &opened, lease).await {
        return Err(TokenError::unavailable(DEFAULT_RETRY_AFTER));
    }
    let error = match end_or_find_renewed(attempt, &opened, lease).await {
        Err(error) if error.is_transient() => error,
        decided => return decided,
    };
    // The refused token must not be sent again at once (F9).
    let pause = attempt.inner.backoff.delay_session(attempt.id, attempt.inner.clock.monotonic());
    Err(TokenError::unavailable(pause).caused_by(error))
}

async fn end_or_find_renewed(
    attempt: &RenewalAttempt<'_>,
    opened: &OpenedRow,
    lease: &mut HeldLease<'_>,
) -> Result<Renewed, TokenError> {
    for _ in 0..MAX_ROUNDS {
        let stored = lease.with_heartbeats(attempt.read()).await?;
        if !stored.tokens.has_refresh_token_of(&opened.tokens) {
            return Ok(stored.into_renewed());
        }
        // A process that took the lease over while this one was frozen may have rotated the token
        // and not yet written it. The answer that it gets decides.
        if !lease.heartbeat().await? {
            break;
        }
        // If nothing ends, the row has changed since: it is read again.
        if lease.with_heartbeats(end_refused(attempt, stored.row.session.revision)).await? {
            return Err(TokenError::new(TokenErrorKind::Ended(EndReason::RenewalRefused)));
        }
    }
    Err(TokenError::unavailable(DEFAULT_RETRY_AFTER))
}

async fn end_refused(attempt: &RenewalAttempt<'_>, revision: u64) -> Result<bool, TokenError> {
    let target = EndTarget::Unchanged { id: attempt.id, revision };
    let (inner, reason) = (attempt.inner, EndReason::RenewalRefused);
    let ended = row::end(inner, target, reason, inner.now()).await;
    let failed = |error| TokenError::unavailable(DEFAULT_RETRY_AFTER).caused_by(error);
    Ok(!ended.map_err(failed)?.is_empty())
}

/// Waits until the row has not changed for a whole term, raising the heartbeat meanwhile; or until
/// the session is renewed or over. Only time in which the store could be read counts.
///
/// Returns `false` if the manager shuts down first, so that nothing is known.
async fn outwait_former_owner(
    attempt: &RenewalAttempt<'_>,
    opened: &OpenedRow,
    lease: &mut HeldLease<'_>,
) -> bool {
    let inner = attempt.inner;
    let mut revision = opened.row.session.revision;
    let mut unchanged_for = Duration::ZERO;
    while unchanged_for < lease.term() {
        let before = inner.clock.monotonic();
        tokio::select! {
            biased;
            () = inner.tasks.closing() => return false,
            () = inner.clock.sleep(lease.term() / 8) => {}
        }
        match attempt.read().await {
            Ok(now) if !now.tokens.has_refresh_token_of(&opened.tokens) => return true,
            Ok(now) if now.row.session.revision == revision => {
                unchanged_for += inner.clock.monotonic().saturating_sub(before);
            }
            Ok(now) => (revision, unchanged_for) = (now.row.session.revision, Duration::ZERO),
            Err(error) if error.is_transient() => unchanged_for = Duration::ZERO,
            Err(_) => return true,
        }
        drop(lease.heartbeat().await);
    }
    true
}
