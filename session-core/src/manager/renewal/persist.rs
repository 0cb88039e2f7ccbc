//! Stores renewed tokens, however long the database is unavailable (store laws 3 and 5).

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{OpenedRow, RenewalAttempt};
use super::lease::HeldLease;
use super::single_flight::Renewed;
use crate::clock::Timestamp;
use crate::error_chain::ErrorChain;
use crate::manager::error::{DEFAULT_RETRY_AFTER, TokenError, TokenErrorKind};
use crate::manager::row;
use crate::metrics;
use crate::session::Session;
use crate::store::{LeaseOwner, PendingRevocation, StoreError, StoredSession, TokenWrite};
use crate::token::{SealContext, SealedPart, TokenResponse, TokenSet};

const MIN_PAUSE: Duration = Duration::from_millis(50);

/// How often a call that the store refuses for good is tried.
const MAX_REFUSED_TRIES: u32 = 3;

/// What a provider answered, until it is written.
struct FetchedTokens {
    response: TokenResponse,
    received_at: Timestamp,
    /// The tokens that were sent to get it.
    sent: Arc<TokenSet>,
    is_exchange: bool,
}

impl FetchedTokens {
    fn tokens(&self) -> TokenSet {
        TokenSet::new(self.response.clone(), self.received_at, Duration::ZERO)
    }

    /// Returns whether there is a refresh token that takes the place of the one that was sent.
    fn rotates(&self) -> bool {
        self.response.has_refresh_token() && !self.tokens().has_refresh_token_of(&self.sent)
    }
}

/// The result of one try at writing.
enum WriteOutcome {
    /// The row holds the new tokens, and the lease is released.
    Stored(Box<Renewed>),
    /// The row holds another process's new tokens.
    Overtaken(Box<Renewed>),
    /// The session is over: the fetched tokens must be revoked at the provider.
    Over(TokenError),
    Retry,
}

/// Writes new tokens, and retries until they are written, the session is found over, the store
/// refuses them for good, or the shutdown's deadline has passed. They are used only once they are
/// durable.
pub(super) async fn persist(
    attempt: &RenewalAttempt<'_>,
    opened: OpenedRow,
    response: TokenResponse,
    lease: &mut HeldLease<'_>,
) -> Result<Renewed, TokenError> {
    let received_at = attempt.inner.now();
    let is_exchange = attempt.is_exchange(&opened);
    let fetched = FetchedTokens { response, received_at, sent: opened.tokens, is_exchange };
    let mut row = opened.row;
    let (mut pause, mut refused) = (MIN_PAUSE, 0);
    loop {
        let write = write(attempt, &mut row, &fetched, lease.owner());
        match lease.with_heartbeats(write).await {
            Ok(WriteOutcome::Stored(renewed)) => {
                lease.keep();
                return Ok(*renewed);
            }
            Ok(WriteOutcome::Overtaken(renewed)) => return Ok(*renewed),
            Ok(WriteOutcome::Over(error)) => {
                discard(attempt, &row.session, &fetched, lease).await;
                return Err(error);
            }
            Ok(WriteOutcome::Retry) => {}
            Err(error) => {
                refused += u32::from(!error.is_transient());
                if refused >= MAX_REFUSED_TRIES {
                    return Err(give_up(attempt, &row.session, &fetched, lease, error).await);
                }
                tracing::warn!(session = %attempt.id, error = %ErrorChain(&error), "renewed tokens are not written yet");
            }
        }
        wait(attempt, &mut pause, lease).await?;
    }
}

/// Gives renewed tokens up that the store refuses for good. The session keeps its old tokens, and
/// waits before it asks again; a new refresh token, which no row holds, is to be revoked.
async fn give_up(
    attempt: &RenewalAttempt<'_>,
    session: &Session,
    fetched: &FetchedTokens,
    lease: &mut HeldLease<'_>,
    error: StoreError,
) -> TokenError {
    tracing::error!(session = %attempt.id, error = %ErrorChain(&error), "renewed tokens cannot be stored: given up");
    metrics::not_stored();
    let inner = attempt.inner;
    inner.backoff.delay_session(attempt.id, inner.clock.monotonic());
    if !fetched.tokens().has_refresh_token_of(&fetched.sent) {
        discard(attempt, session, fetched, lease).await;
    }
    error.into()
}

/// Waits before the next try; fails when the shutdown's deadline has passed.
async fn wait(
    attempt: &RenewalAttempt<'_>,
    pause: &mut Duration,
    lease: &mut HeldLease<'_>,
) -> Result<(), TokenError> {
    let inner = attempt.inner;
    let until = async {
        tokio::select! {
            biased;
            () = inner.tasks.giving_up() => false,
            () = inner.clock.sleep(*pause) => true,
        }
    };
    if !lease.with_heartbeats(until).await {
        tracing::error!(session = %attempt.id, "renewed tokens are lost at shutdown");
        return Err(TokenError::unavailable(DEFAULT_RETRY_AFTER));
    }
    // Well within a term, so that the lease is not taken over once the store is back.
    *pause = (*pause * 2).min(lease.term() / 8).max(MIN_PAUSE);
    Ok(())
}

async fn write(
    attempt: &RenewalAttempt<'_>,
    row: &mut StoredSession,
    fetched: &FetchedTokens,
    owner: LeaseOwner,
) -> Result<WriteOutcome, StoreError> {
    let inner = attempt.inner;
    let Ok(stored) = row::open_tokens(inner, row) else {
        return Ok(WriteOutcome::Over(TokenError::new(TokenErrorKind::Unreadable)));
    };
    // A step-up that brought no refresh token, or another renewal: what was fetched for the token of
    // before belongs to the authentication of before.
    let is_newer = !stored.is_access_token(fetched.sent.access_token());
    let is_of_no_use = is_newer && (fetched.is_exchange || !fetched.rotates());
    if is_of_no_use || !stored.has_refresh_token_of(&fetched.sent) {
        let (session, tokens) = (row.session.clone(), Arc::new(stored));
        return Ok(WriteOutcome::Overtaken(Box::new(Renewed { session, tokens })));
    }
    let assumed = inner.policy.renewal().assumed_lifetime;
    let (response, received_at) = (fetched.response.clone(), fetched.received_at);
    let merged = match &attempt.resource {
        _ if is_newer => stored.with_refresh_token_of(response),
        None => stored.renewed(response, received_at, assumed),
        Some(of) => stored.with_resource_token(of, response, received_at, assumed),
    };
    let Ok(tokens) = row::seal_tokens(inner, &row.session, &merged) else {
        return Ok(WriteOutcome::Retry);
    };
    let (revision, now) = (row.session.revision, fetched.received_at);
    let write = TokenWrite::new(attempt.id, revision, tokens, now).releasing(owner);
    let Some(revision) = inner.insisting(inner.store.write_tokens(write)).await? else {
        return read_again(attempt, row).await;
    };
    inner.caches.forget(&row.digests);
    inner.announcer.announce(attempt.id);
    metrics::renewed();
    tracing::info!(session = %attempt.id, provider = %row.session.provider, "tokens renewed");
    let session = Session { revision, renewed_at: Some(now), ..row.session.clone() };
    Ok(WriteOutcome::Stored(Box::new(Renewed { session, tokens: Arc::new(merged) })))
}

/// Reads a row again that a write did not match: the session is over, or the row has changed and
/// the write is retried on it.
async fn read_again(
    attempt: &RenewalAttempt<'_>,
    row: &mut StoredSession,
) -> Result<WriteOutcome, StoreError> {
    let found = attempt.inner.insisting(attempt.inner.store.find(attempt.id)).await?;
    let Some(found) = found else {
        return Ok(WriteOutcome::Over(TokenError::new(TokenErrorKind::NotFound)));
    };
    *row = found;
    if let Some(ended) = row.session.ended {
        attempt.inner.local_states.learn_end(attempt.id, ended.reason);
    }
    Ok(match row.session.ended {
        Some(ended) => WriteOutcome::Over(TokenError::new(TokenErrorKind::Ended(ended.reason))),
        None => WriteOutcome::Retry,
    })
}

/// Enqueues the fetched refresh token of a session that is over for revocation (F13, V4).
async fn discard(
    attempt: &RenewalAttempt<'_>,
    session: &Session,
    fetched: &FetchedTokens,
    lease: &mut HeldLease<'_>,
) {
    let inner = attempt.inner;
    let Some(revocation) = revocation(attempt, session, fetched) else {
        return;
    };
    let (mut pause, mut refused) = (MIN_PAUSE, 0);
    loop {
        let enqueued = inner.insisting(inner.store.enqueue_revocation(revocation.clone()));
        let Err(error) = lease.with_heartbeats(enqueued).await else { return };
        refused += u32::from(!error.is_transient());
        if refused >= MAX_REFUSED_TRIES {
            tracing::error!(session = %attempt.id, error = %ErrorChain(&error), "a refresh token will not be revoked");
            return;
        }
        tracing::warn!(session = %attempt.id, error = %ErrorChain(&error), "a revocation is not enqueued yet");
        if wait(attempt, &mut pause, lease).await.is_err() {
            return;
        }
    }
}

fn revocation(
    attempt: &RenewalAttempt<'_>,
    session: &Session,
    fetched: &FetchedTokens,
) -> Option<PendingRevocation> {
    let Session { id, user, provider, .. } = session;
    let tokens = fetched.tokens();
    let part = SealedPart::RefreshToken;
    let context = SealContext { session: *id, user, provider, part };
    let plain = tokens.refresh_token()?.as_bytes();
    let sealed = attempt.inner.keyring.seal(context, plain).ok()?;
    Some(PendingRevocation::new(session, sealed, fetched.received_at))
}
