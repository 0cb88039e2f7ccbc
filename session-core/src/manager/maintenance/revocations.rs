//! Revokes the tokens of ended sessions at their providers, apart from all requests
//! (RFC 7009).

use std::time::Duration;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::error_chain::ErrorChain;
use crate::manager::error::ManagerError;
use crate::manager::manager::Inner;
use crate::manager::renewal::MAX_REQUESTED_PAUSE;
use crate::metrics::{self, RevocationOutcome};
use crate::provider::{Provider, ProviderError, ProviderErrorKind, RevocationScope};
use crate::session::Session;
use crate::store::{Partition, PendingRevocation, StoreError};
use crate::token::{SealContext, SealedPart, Unreadable};

/// For how long claimed revocations belong to the process that claimed them, at least.
const MIN_CLAIM: Duration = Duration::from_secs(120);

/// How many revocations are claimed at a time: all of them must be tried within a claim.
const BATCH: u64 = 8;

const MIN_PAUSE: Duration = Duration::from_secs(30);
const MAX_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);

/// For how long a token is kept for its revocation. At the longest pause that is some 120 attempts.
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What processing revocations did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevocationReport {
    /// Tokens that their provider has revoked.
    pub revoked: usize,
    /// Tokens that were given up: the provider does not revoke tokens, or they have waited for 30
    /// days.
    pub dropped: usize,
    /// Tokens that wait for the last session of their grant.
    pub held: usize,
    /// Tokens that will be tried again.
    pub postponed: usize,
}

enum Revoked {
    Yes,
    Dropped,
    /// Another session uses the grant, which the provider would revoke as a whole.
    Held,
    /// No provider of that name was added to this manager: another node may have it.
    NotHere,
    Postponed(Option<Duration>),
    /// The key that sealed the token is missing.
    Unreadable,
}

/// Processes pending revocations; gives none up for its age unless this node's clock is trusted.
pub(super) async fn process(
    inner: &Inner,
    limit: u64,
    is_trusted: bool,
) -> Result<RevocationReport, ManagerError> {
    let mut report = RevocationReport::default();
    let mut left = limit;
    while left > 0 {
        let (now, batch) = (inner.now(), left.min(BATCH));
        let claimed = inner.store.claim_revocations(now, now + claim_time(inner), batch);
        let claimed = inner.bounded(claimed).await?;
        for revocation in &claimed {
            let is_old = is_trusted && inner.now().since(revocation.created_at) >= MAX_AGE;
            process_one(inner, revocation, is_old, &mut report).await?;
        }
        let count = u64::try_from(claimed.len()).unwrap_or(u64::MAX);
        left = if count < batch { 0 } else { left.saturating_sub(count) };
    }
    Ok(report)
}

/// Returns how long to claim a batch: long enough for every token to run into the timeout.
fn claim_time(inner: &Inner) -> Duration {
    let calls = u32::try_from(BATCH).unwrap_or(u32::MAX);
    MIN_CLAIM.max(inner.policy.renewal().provider_timeout.saturating_mul(calls * 2))
}

async fn process_one(
    inner: &Inner,
    revocation: &PendingRevocation,
    is_old: bool,
    report: &mut RevocationReport,
) -> Result<(), StoreError> {
    let requested = match revoke(inner, revocation).await? {
        Revoked::Yes => {
            metrics::revocation(RevocationOutcome::Revoked);
            report.revoked += 1;
            return complete(inner, revocation).await;
        }
        Revoked::Dropped => {
            metrics::revocation(RevocationOutcome::Dropped);
            report.dropped += 1;
            return complete(inner, revocation).await;
        }
        Revoked::Held | Revoked::Postponed(_) if is_old => {
            tracing::warn!(session = %revocation.session, provider = %revocation.provider,
                "a refresh token is given up after 30 days, and may be alive at its provider");
            metrics::revocation(RevocationOutcome::Dropped);
            report.dropped += 1;
            return complete(inner, revocation).await;
        }
        Revoked::Held => {
            metrics::revocation(RevocationOutcome::Held);
            report.held += 1;
            None
        }
        Revoked::Postponed(requested) => {
            metrics::revocation(RevocationOutcome::Postponed);
            report.postponed += 1;
            requested
        }
        // It is not this process's to give up, nor to keep from another for long.
        Revoked::NotHere => {
            metrics::revocation(RevocationOutcome::Postponed);
            report.postponed += 1;
            let due_at = inner.now() + MIN_PAUSE;
            return inner.bounded(inner.store.postpone_revocation(revocation.id, due_at)).await;
        }
        // Its key may come back, so it is never given up (F35).
        Revoked::Unreadable => {
            metrics::revocation(RevocationOutcome::Postponed);
            report.postponed += 1;
            None
        }
    };
    let due_at = inner.now() + pause(revocation.attempts, requested);
    inner.bounded(inner.store.postpone_revocation(revocation.id, due_at)).await
}

async fn complete(inner: &Inner, revocation: &PendingRevocation) -> Result<(), StoreError> {
    inner.bounded(inner.store.complete_revocation(revocation.id)).await
}

async fn revoke(inner: &Inner, revocation: &PendingRevocation) -> Result<Revoked, StoreError> {
    let Some(provider) = inner.provider(&revocation.provider) else {
        return Ok(Revoked::NotHere);
    };
    if provider.revocation_scope() != RevocationScope::Token
        && may_be_in_use(inner, revocation).await?
    {
        return Ok(Revoked::Held);
    }
    let Some((part, token)) = open(inner, revocation) else {
        return Ok(Revoked::Unreadable);
    };
    Ok(match ask_to_revoke(inner, provider.as_ref(), part, &token).await {
        Ok(()) => Revoked::Yes,
        Err(error) => {
            tracing::warn!(session = %revocation.session, error = %ErrorChain(&error), "a token was not revoked");
            match error.kind() {
                ProviderErrorKind::Unsupported => Revoked::Dropped,
                _ => Revoked::Postponed(error.asks_to_wait()),
            }
        }
    })
}

/// Returns whether a live session may use the token's grant: one of its subject, or one of the same
/// user and provider if the subject of either is unknown. An account id is no subject: a migrated
/// session and a login of the same user may differ in it.
async fn may_be_in_use(inner: &Inner, revocation: &PendingRevocation) -> Result<bool, StoreError> {
    let PendingRevocation { user, provider, partition, .. } = revocation;
    if inner.bounded(inner.store.count_live(partition)).await? > 0 {
        return Ok(true);
    }
    let mut live = inner.bounded(inner.store.list(user)).await?;
    let ended = inner.bounded(inner.store.find_all(&[revocation.session])).await?;
    let issuer = ended.first().and_then(|row| row.identity.issuer.as_ref());
    // Several tool servers have one authorization server, which may know one grant for all of them.
    let is_of_issuer = |one: &Session| issuer.is_some() && one.identity.issuer.as_ref() == issuer;
    if live.iter().any(|one| one.provider != *provider && is_of_issuer(one)) {
        return Ok(true);
    }
    live.retain(|session| session.provider == *provider);
    if live.is_empty() || live.iter().any(|session| session.identity.subject.is_none()) {
        return Ok(!live.is_empty());
    }
    let unknown = Partition::of(user, provider, None);
    // If the row is purged, only the partition is left, which says less.
    Ok(ended.first().map_or(*partition == unknown, |row| row.identity.subject.is_none()))
}

async fn ask_to_revoke(
    inner: &Inner,
    provider: &dyn Provider,
    part: SealedPart,
    token: &SecretString,
) -> Result<(), ProviderError> {
    let timeout = inner.clock.sleep(inner.policy.renewal().provider_timeout);
    let revoked = match part {
        SealedPart::AccessToken => provider.revoke_access_token(token),
        _ => provider.revoke(token),
    };
    tokio::select! {
        biased;
        answer = revoked => answer,
        () = timeout => Err(ProviderError::new(ProviderErrorKind::Unavailable)),
    }
}

fn open(inner: &Inner, revocation: &PendingRevocation) -> Option<(SealedPart, SecretString)> {
    let opened = open_sealed(inner, revocation).inspect_err(|error| {
        tracing::error!(session = %revocation.session, error = %ErrorChain(&error), "a token cannot be revoked");
    });
    let (context, plain) = opened.ok()?;
    Some((context.part, SecretString::from(std::str::from_utf8(&plain).ok()?)))
}

/// Opens the token of a revocation, which is sealed for the session that held it still: its refresh
/// token, or its access token. Returns the context that it is sealed for, too.
pub(super) fn open_sealed<'a>(
    inner: &Inner,
    revocation: &'a PendingRevocation,
) -> Result<(SealContext<'a>, Zeroizing<Vec<u8>>), Unreadable> {
    let PendingRevocation { session, user, provider, .. } = revocation;
    let open = |part| {
        let context = SealContext { session: *session, user, provider, part };
        let plain = inner.keyring.open(context, &revocation.refresh_token)?;
        Ok((context, plain))
    };
    open(SealedPart::RefreshToken)
        .or_else(|error: Unreadable| open(SealedPart::AccessToken).map_err(|_: Unreadable| error))
}

/// Returns the pause before the next attempt: each attempt doubles it, and it is at least what the
/// provider asked for, up to a bound.
fn pause(attempts: u32, requested: Option<Duration>) -> Duration {
    let doubled = MIN_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(12));
    doubled.min(MAX_PAUSE).max(requested.unwrap_or_default().min(MAX_REQUESTED_PAUSE))
}
