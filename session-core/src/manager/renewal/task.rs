//! Renews a session's tokens in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use super::attempt::{MAX_ROUNDS, OpenedRow, RenewalAttempt, RenewalReason};
use super::lease::{ClaimableLease, HeldLease, LeaseWait, wait_for_lease};
use super::persist::persist;
use super::refusal::refused;
use super::single_flight::{PendingRenewal, RenewalOutcome, Renewed};
use crate::error_chain::ErrorChain;
use crate::event::RenewalFailure;
use crate::manager::error::{DEFAULT_RETRY_AFTER, TokenError, TokenErrorKind};
use crate::manager::manager::Inner;
use crate::manager::row;
use crate::metrics;
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::session::{Origin, ProviderName, Session};
use crate::store::StoredSession;
use crate::token::{Resource, TokenResponse};

/// How many times a late answer is looked for: a process that was frozen must read what has arrived
/// meanwhile before it gives up.
const LATE_LOOKS: u32 = 8;

/// How long a provider is not asked again for a resource that it has refused a session.
const RESOURCE_PAUSE: Duration = Duration::from_secs(60);

/// Returns the renewal of a session: the one in progress, or a new one in a task of its own.
/// Dropping it does not stop the task.
///
/// Without a rejected token none starts that could not ask the provider now: each request would
/// cost a task and a query, only to find that it must wait.
pub(in crate::manager) fn begin(
    inner: &Arc<Inner>,
    session: &Session,
    reason: RenewalReason,
) -> Result<PendingRenewal, TokenError> {
    begin_for(inner, session, reason, None)
}

/// Returns the renewal of a session like [`begin`]; a new one fetches a token for this resource. The
/// one in progress may be [for another](PendingRenewal::is_for).
pub(in crate::manager) fn begin_for(
    inner: &Arc<Inner>,
    session: &Session,
    reason: RenewalReason,
    resource: Option<&Resource>,
) -> Result<PendingRenewal, TokenError> {
    let id = session.id;
    let now = inner.clock.monotonic();
    let is_refused =
        |of: &Resource| !inner.refused_resources.left(&(id, of.clone()), now).is_zero();
    if resource.is_some_and(is_refused) {
        return Err(TokenError::new(TokenErrorKind::ResourceRefused));
    }
    if let Some(pending) = inner.renewals.in_progress(id) {
        return Ok(pending);
    }
    if !matches!(reason, RenewalReason::Rejected(_)) {
        check_may_ask(inner, session)?;
    }
    let (pending, sender) = inner.renewals.join(id, resource);
    if let Some(sender) = sender {
        let (task, session, resource) = (Arc::clone(inner), session.clone(), resource.cloned());
        inner.tasks.spawn(async move {
            let guard = task.renewals.guard(id, sender);
            let attempt = RenewalAttempt { inner: &task, id, reason, resource };
            let outcome = run(&attempt, &session).await;
            if let Err(error) = &outcome {
                let provider = &session.provider;
                tracing::info!(session = %id, %provider, error = %ErrorChain(&error), "tokens not renewed");
            }
            guard.complete(outcome);
        });
    }
    Ok(pending)
}

/// Returns an error if what this process knows keeps it from asking the provider.
fn check_may_ask(inner: &Inner, session: &Session) -> Result<(), TokenError> {
    let Session { id, provider, .. } = session;
    let now = inner.clock.monotonic();
    if inner.provider(provider).is_none() || inner.backoff.needs_sign_in(session, now) {
        return Err(TokenError::new(TokenErrorKind::SignInNeeded));
    }
    let pause = inner.backoff.pause(provider, *id, now).max(inner.migration_hold.left(*id, now));
    pause.map_or(Ok(()), |pause| Err(TokenError::unavailable(pause)))
}

/// Renews a session as the caller knows it. A claim returns the row, so that only a claim that
/// fails, or that is likely to be in vain, costs a reading before it.
async fn run(attempt: &RenewalAttempt<'_>, known: &Session) -> RenewalOutcome {
    let inner = attempt.inner;
    if !matches!(attempt.reason, RenewalReason::Rejected(_)) && known.origin != Origin::Imported {
        let permit = permit(inner, &known.provider).await.ok_or_else(shutting_down)?;
        check_may_ask(inner, known)?;
        if let Some(held) = ClaimableLease::UNREAD.claim(inner, attempt.id).await?
            && let Some(outcome) = renew_under(attempt, permit, held).await
        {
            return outcome;
        }
    }
    let mut has_waited = false;
    for _ in 0..MAX_ROUNDS {
        let opened = attempt.read().await?;
        if !attempt.is_needed(&opened) {
            return Ok(opened.into_renewed());
        }
        attempt.provider_to_ask(&opened).await?;
        let claimable = match wait_for_lease(inner, &opened.row, &mut has_waited).await? {
            LeaseWait::Claimable(claimable) => claimable,
            LeaseWait::RowChanged => continue,
            LeaseWait::ShuttingDown => break,
        };
        // Before the lease, which would be held for nothing meanwhile.
        let session = &opened.row.session;
        let permit = permit(inner, &session.provider).await.ok_or_else(shutting_down)?;
        // While this waited for its turn, the provider may have asked for a pause.
        attempt.provider_to_ask(&opened).await?;
        let Some(held) = claimable.claim(inner, attempt.id).await? else { continue };
        if let Some(outcome) = renew_under(attempt, permit, held).await {
            return outcome;
        }
    }
    Err(shutting_down())
}

fn shutting_down() -> TokenError {
    TokenError::unavailable(DEFAULT_RETRY_AFTER)
}

/// Renews under a lease, and releases it; `None` if the lease was lost before anything was sent.
async fn renew_under(
    attempt: &RenewalAttempt<'_>,
    permit: OwnedSemaphorePermit,
    (mut lease, row): (HeldLease<'_>, StoredSession),
) -> Option<RenewalOutcome> {
    let outcome = renew(attempt, permit, row, &mut lease).await.transpose();
    if !(lease.was_taken_over && is_undecided(outcome.as_ref())) {
        lease.release().await;
    }
    outcome
}

async fn renew(
    attempt: &RenewalAttempt<'_>,
    permit: OwnedSemaphorePermit,
    row: StoredSession,
    lease: &mut HeldLease<'_>,
) -> Result<Option<Renewed>, TokenError> {
    let inner = attempt.inner;
    row::check_live(inner, &row.session)?;
    // Another process may have renewed before the claim.
    let opened = attempt.open(row)?;
    if !attempt.is_needed(&opened) {
        return Ok(Some(opened.into_renewed()));
    }
    let provider = lease.with_heartbeats(attempt.provider_to_ask(&opened)).await?;
    if !lease.can_send().await? {
        return Ok(None);
    }
    let tokens = Arc::clone(&opened.tokens);
    let mut call = match &attempt.resource {
        None => provider.renew(&tokens),
        Some(resource) => provider.renew_for(&tokens, resource),
    };
    let timeout = inner.policy.renewal().provider_timeout;
    let answer = lease.with_heartbeats(answer_within(inner, &mut call, timeout)).await;
    drop(permit);
    if let Some(answer) = answer {
        return conclude(attempt, opened, answer, lease).await.map(Some);
    }
    let no_answer = ProviderError::new(ProviderErrorKind::Unavailable);
    let error = failed(attempt, &opened, no_answer.caused_by("no answer in time")).await;
    let late = late_answer(inner, &mut call, lease.term().saturating_sub(timeout));
    if let Some(answer) = lease.with_heartbeats(late).await {
        return conclude(attempt, opened, answer, lease).await.map(Some);
    }
    // Only now: an answer that is late counts as what it says.
    metrics::renewal_failed(RenewalFailure::Unavailable);
    lease.keep();
    Err(error)
}

/// Acts on what the provider answered.
async fn conclude(
    attempt: &RenewalAttempt<'_>,
    opened: OpenedRow,
    answer: Result<TokenResponse, ProviderError>,
    lease: &mut HeldLease<'_>,
) -> RenewalOutcome {
    match answer {
        Ok(response) => {
            // An exchange says nothing of the refresh token.
            if !attempt.is_exchange(&opened) {
                attempt.inner.backoff.succeeded(&opened.row.session.provider, attempt.id);
            }
            attempt.note_rejection();
            persist(attempt, opened, response, lease).await
        }
        Err(error)
            if attempt.resource.is_some()
                && is_about_resource(error.kind(), attempt.is_exchange(&opened)) =>
        {
            Err(resource_refused(attempt, &opened, error))
        }
        Err(error) if error.is_refused() => refused(attempt, opened, lease).await,
        Err(error) => {
            metrics::renewal_failed(failure(error.kind()));
            Err(failed(attempt, &opened, error).await)
        }
    }
}

/// Returns whether an error may be that of the resource or scope alone: it says nothing of the
/// session's own token (F24), and ends nothing. Some providers answer `invalid_grant` to what the user
/// has not consented to, and `unauthorized_client` where this client may not exchange tokens.
const fn is_about_resource(kind: ProviderErrorKind, is_exchange: bool) -> bool {
    match kind {
        ProviderErrorKind::Refused
        | ProviderErrorKind::Rejected
        | ProviderErrorKind::Unsupported => true,
        ProviderErrorKind::Malformed | ProviderErrorKind::Misconfigured => is_exchange,
        ProviderErrorKind::Throttled | ProviderErrorKind::Unavailable => false,
    }
}

fn resource_refused(
    attempt: &RenewalAttempt<'_>,
    opened: &OpenedRow,
    error: ProviderError,
) -> TokenError {
    metrics::resource_refused();
    let (inner, id) = (attempt.inner, attempt.id);
    if let Some(resource) = &attempt.resource {
        let now = inner.clock.monotonic();
        inner.refused_resources.begin((id, resource.clone()), RESOURCE_PAUSE, now);
        let (provider, address) = (&opened.row.session.provider, resource.address());
        tracing::warn!(session = %id, %provider, resource = address, error = %ErrorChain(&error), "no access token for a resource");
    }
    TokenError::new(TokenErrorKind::ResourceRefused).caused_by(error)
}

/// Waits for a turn to ask the provider; none at a shutdown.
async fn permit(inner: &Inner, provider: &ProviderName) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = inner.tasks.closing() => None,
        permit = inner.backoff.permits(provider).acquire_owned() => permit.ok(),
    }
}

type Call<'a> = BoxFuture<'a, Result<TokenResponse, ProviderError>>;

async fn answer_within(
    inner: &Inner,
    call: &mut Call<'_>,
    timeout: Duration,
) -> Option<Result<TokenResponse, ProviderError>> {
    tokio::select! {
        biased;
        answer = call => Some(answer),
        () = inner.clock.sleep(timeout) => None,
    }
}

/// Waits for an answer that is late, looking several times whatever the clock says; not longer than
/// a shutdown allows.
async fn late_answer(
    inner: &Inner,
    call: &mut Call<'_>,
    patience: Duration,
) -> Option<Result<TokenResponse, ProviderError>> {
    for _ in 0..LATE_LOOKS {
        tokio::select! {
            biased;
            answer = &mut *call => return Some(answer),
            () = inner.tasks.giving_up() => return None,
            () = inner.clock.sleep(patience / LATE_LOOKS) => {}
        }
    }
    None
}

/// Records a failure and applies backoff. Everything but a refusal keeps the session (F7).
async fn failed(
    attempt: &RenewalAttempt<'_>,
    opened: &OpenedRow,
    error: ProviderError,
) -> TokenError {
    let (inner, session) = (attempt.inner, &opened.row.session);
    let now = inner.clock.monotonic();
    let pause = inner.backoff.failed(session, &error, now);
    tracing::warn!(session = %attempt.id, provider = %session.provider, error = %ErrorChain(&error), "renewal failed");
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
