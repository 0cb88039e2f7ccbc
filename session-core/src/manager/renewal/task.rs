//! Renews a session's tokens in a task of its own.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::attempt::{MAX_ROUNDS, OpenedRow, RenewalAttempt, RenewalReason};
use super::lease::{HeldLease, LeaseAttempt, acquire};
use super::persist::persist;
use super::refusal::refused;
use super::single_flight::{PendingRenewal, RenewalOutcome, Renewed};
use crate::event::RenewalFailure;
use crate::manager::error::{DEFAULT_RETRY_AFTER, TokenError, TokenErrorKind};
use crate::manager::manager::Inner;
use crate::provider::{Provider, ProviderError, ProviderErrorKind};
use crate::session::{ProviderName, Session};
use crate::token::{TokenResponse, TokenSet};

/// Returns the renewal of a session: the one in progress, or a new one in a task of its own.
/// Dropping it does not stop the task.
pub(in crate::manager) fn begin(
    inner: &Arc<Inner>,
    session: &Session,
    reason: RenewalReason,
) -> PendingRenewal {
    let (id, provider) = (session.id, session.provider.clone());
    let (pending, sender) = inner.renewals.join(id);
    if let Some(sender) = sender {
        let task = Arc::clone(inner);
        inner.tasks.spawn(async move {
            let guard = task.renewals.guard(id, sender);
            let outcome = run(&RenewalAttempt { inner: &task, id, reason }).await;
            if let Err(error) = &outcome {
                tracing::info!(session = %id, %provider, %error, "tokens not renewed");
            }
            guard.complete(outcome);
        });
    }
    pending
}

async fn run(attempt: &RenewalAttempt<'_>) -> RenewalOutcome {
    for _ in 0..MAX_ROUNDS {
        let opened = attempt.read().await?;
        if !attempt.is_needed(&opened) {
            return Ok(opened.into_renewed());
        }
        let provider = attempt.provider_to_ask(&opened).await?;
        match acquire(attempt.inner, &opened.row).await? {
            LeaseAttempt::ShuttingDown => break,
            LeaseAttempt::RowChanged => {}
            LeaseAttempt::Acquired(mut lease) => {
                let outcome = renew(attempt, provider, &mut lease).await.transpose();
                if !(lease.was_taken_over && is_undecided(outcome.as_ref())) {
                    lease.release().await;
                }
                if let Some(outcome) = outcome {
                    return outcome;
                }
            }
        }
    }
    Err(TokenError::unavailable(DEFAULT_RETRY_AFTER))
}

/// Renews under a lease; `None` if the lease was lost before anything was sent.
async fn renew(
    attempt: &RenewalAttempt<'_>,
    provider: &Arc<dyn Provider>,
    lease: &mut HeldLease<'_>,
) -> Result<Option<Renewed>, TokenError> {
    // Another process may have renewed between the read and the lease.
    let opened = attempt.read().await?;
    if !attempt.is_needed(&opened) {
        return Ok(Some(opened.into_renewed()));
    }
    let name = &opened.row.session.provider;
    let permit = lease.with_heartbeats(permit(attempt.inner, name)).await;
    // While this waited for its turn, the provider may have asked for a pause.
    attempt.provider_to_ask(&opened).await?;
    if !lease.can_send().await? {
        return Ok(None);
    }
    let answer = lease.with_heartbeats(ask(attempt.inner, provider, &opened.tokens)).await;
    drop(permit);
    match answer {
        Ok(response) => {
            attempt.inner.backoff.succeeded(name, attempt.id);
            persist(attempt, opened, response, lease).await.map(Some)
        }
        Err(error) if error.is_refused() => refused(attempt, opened, lease).await.map(Some),
        Err(error) => Err(failed(attempt, &opened, error).await),
    }
}

/// Waits for a turn to ask the provider; none at a shutdown.
async fn permit(inner: &Inner, provider: &ProviderName) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = inner.tasks.closing() => None,
        permit = inner.backoff.permits(provider).acquire_owned() => permit.ok(),
    }
}

async fn ask(
    inner: &Inner,
    provider: &Arc<dyn Provider>,
    tokens: &TokenSet,
) -> Result<TokenResponse, ProviderError> {
    let timeout = inner.clock.sleep(inner.policy.renewal().provider_timeout);
    tokio::select! {
        biased;
        answer = provider.renew(tokens) => answer,
        () = timeout => Err(ProviderError::new(ProviderErrorKind::Unavailable)
            .caused_by("no answer in time")),
    }
}

/// Records a failure and applies backoff. Everything but a refusal keeps the session (F7).
async fn failed(
    attempt: &RenewalAttempt<'_>,
    opened: &OpenedRow,
    error: ProviderError,
) -> TokenError {
    let (inner, session) = (attempt.inner, &opened.row.session);
    let now = inner.clock.monotonic();
    let pause = inner.backoff.failed(&session.provider, attempt.id, &error, now);
    tracing::warn!(session = %attempt.id, provider = %session.provider, %error, "renewal failed");
    attempt.record(session, failure(error.kind())).await;
    TokenError::unavailable(pause).caused_by(error)
}

/// Returns whether an attempt leaves open what becomes of the refresh token.
///
/// A lease that was taken over is then not released: the next process must watch it, and so learns
/// that a former owner may still write.
const fn is_undecided(outcome: Option<&RenewalOutcome>) -> bool {
    match outcome {
        None => true,
        Some(Ok(_)) => false,
        Some(Err(error)) => {
            !matches!(error.kind(), TokenErrorKind::Ended(_) | TokenErrorKind::NotFound)
        }
    }
}

const fn failure(kind: ProviderErrorKind) -> RenewalFailure {
    match kind {
        ProviderErrorKind::Misconfigured | ProviderErrorKind::Unsupported => {
            RenewalFailure::Misconfigured
        }
        ProviderErrorKind::Throttled => RenewalFailure::Throttled,
        ProviderErrorKind::Refused => RenewalFailure::Refused,
        ProviderErrorKind::Malformed
        | ProviderErrorKind::Rejected
        | ProviderErrorKind::Unavailable => RenewalFailure::Unavailable,
    }
}
