//! Working off the outbox of revocations, beside all requests (RFC 7009).

use std::time::Duration;

use secrecy::SecretString;

use super::error::ManagerError;
use super::gate::LONGEST_WISH;
use super::inner::{Inner, SessionManager};
use crate::provider::{Provider, ProviderError, ProviderErrorKind, RevocationScope};
use crate::store::{Partition, PendingRevocation, StoreError};
use crate::token::{SealContext, SealedPart};

/// For how long revocations belong to the process that took them, at least.
const CLAIM: Duration = Duration::from_secs(120);

/// How many are taken at a time: all of them must be asked for within a claim.
const BATCH: u64 = 8;

const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);

/// How often a revocation is tried before it is given up: for about three days.
const MOST_ATTEMPTS: u32 = 24;

/// What working off a batch of the outbox did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevocationReport {
    /// Tokens that their provider has revoked.
    pub revoked: usize,
    /// Tokens that were not to be revoked: their grant is in use by another session, or the
    /// provider revokes nothing.
    pub dropped: usize,
    /// Tokens that will be tried again.
    pub postponed: usize,
}

enum Fate {
    Revoked,
    Dropped,
    Postponed(Option<Duration>),
    /// Its key is not here.
    Unreadable,
}

impl SessionManager {
    /// Asks providers to revoke at most `limit` refresh tokens of sessions that have ended.
    ///
    /// Where a provider revokes whole grants (or nobody knows), it is asked only with the last
    /// session of the grant, because else it would sign the other devices out (F38). A session
    /// whose subject is unknown may have any grant of its user at the provider.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the store is away; what was begun is tried again later.
    pub async fn process_revocations(&self, limit: u64) -> Result<RevocationReport, ManagerError> {
        let inner = &self.inner;
        let mut done = RevocationReport::default();
        let mut left = limit;
        while left > 0 {
            let now = inner.now();
            let claimed =
                inner.store.claim_revocations(now, now + inner.claim_span(), left.min(BATCH));
            let claimed = inner.bounded(claimed).await?;
            for revocation in &claimed {
                inner.work_off(revocation, &mut done).await?;
            }
            let count = u64::try_from(claimed.len()).unwrap_or(u64::MAX);
            left = if count < left.min(BATCH) { 0 } else { left.saturating_sub(count) };
        }
        Ok(done)
    }
}

impl Inner {
    /// Long enough for a batch whose every token is asked for until the timeout.
    fn claim_span(&self) -> Duration {
        let calls = u32::try_from(BATCH).unwrap_or(u32::MAX);
        CLAIM.max(self.policy.renewal().provider_timeout.saturating_mul(calls * 2))
    }

    async fn work_off(
        &self,
        revocation: &PendingRevocation,
        done: &mut RevocationReport,
    ) -> Result<(), StoreError> {
        let due_at = match self.revoke(revocation).await? {
            Fate::Postponed(asked) if revocation.attempts < MOST_ATTEMPTS => {
                Some(self.now() + pause(revocation.attempts, asked))
            }
            // Its key may come back; until then the token only waits (F35).
            Fate::Unreadable => Some(self.now() + pause(revocation.attempts, None)),
            Fate::Revoked => {
                done.revoked += 1;
                None
            }
            Fate::Dropped | Fate::Postponed(_) => {
                done.dropped += 1;
                None
            }
        };
        let Some(due_at) = due_at else {
            return self.bounded(self.store.complete_revocation(revocation.id)).await;
        };
        done.postponed += 1;
        self.bounded(self.store.postpone_revocation(revocation.id, due_at)).await
    }

    async fn revoke(&self, revocation: &PendingRevocation) -> Result<Fate, StoreError> {
        let Some(provider) = self.provider(&revocation.provider) else {
            // Another node may know it, which is newer or older than this one.
            return Ok(Fate::Postponed(None));
        };
        if provider.revocation_scope() != RevocationScope::Token
            && self.may_be_in_use(revocation).await?
        {
            return Ok(Fate::Dropped);
        }
        let Some(token) = self.open_revocation(revocation) else {
            return Ok(Fate::Unreadable);
        };
        Ok(match self.ask_to_revoke(provider.as_ref(), &token).await {
            Ok(()) => Fate::Revoked,
            Err(error) => {
                tracing::warn!(session = %revocation.session, %error, "a token was not revoked");
                match error.kind() {
                    ProviderErrorKind::Unsupported => Fate::Dropped,
                    _ => Fate::Postponed(error.asks_to_wait()),
                }
            }
        })
    }

    /// Whether a live session may have the token's grant: one of its subject, or one of the same
    /// user and provider where the subject of either is not known. An account id is no subject: a
    /// moved session and a login of one person may differ in it.
    async fn may_be_in_use(&self, revocation: &PendingRevocation) -> Result<bool, StoreError> {
        let PendingRevocation { user, provider, partition, .. } = revocation;
        if self.bounded(self.store.count_live(partition)).await? > 0 {
            return Ok(true);
        }
        let mut live = self.bounded(self.store.list(user)).await?;
        live.retain(|session| session.provider == *provider);
        if live.is_empty() || live.iter().any(|session| session.identity.subject.is_none()) {
            return Ok(!live.is_empty());
        }
        let rows = self.bounded(self.store.find_all(&[revocation.session])).await?;
        let unknown = Partition::of(user, provider, None);
        // A row that is purged has left its partition, which says less.
        Ok(rows.first().map_or(*partition == unknown, |row| row.identity.subject.is_none()))
    }

    async fn ask_to_revoke(
        &self,
        provider: &dyn Provider,
        token: &SecretString,
    ) -> Result<(), ProviderError> {
        let bound = self.clock.sleep(self.policy.renewal().provider_timeout);
        tokio::select! {
            biased;
            answer = provider.revoke(token) => answer,
            () = bound => Err(ProviderError::new(ProviderErrorKind::Unavailable)),
        }
    }

    fn open_revocation(&self, revocation: &PendingRevocation) -> Option<SecretString> {
        let opened = self.keyring.open(revocation_context(revocation), &revocation.refresh_token);
        let plain = opened.inspect_err(|error| {
            tracing::error!(session = %revocation.session, %error, "a token cannot be revoked");
        });
        Some(SecretString::from(std::str::from_utf8(&plain.ok()?).ok()?))
    }
}

/// The token in the outbox is still sealed for the session that held it.
pub(super) const fn revocation_context(revocation: &PendingRevocation) -> SealContext<'_> {
    SealContext {
        session: revocation.session,
        user: &revocation.user,
        provider: &revocation.provider,
        part: SealedPart::RefreshToken,
    }
}

/// Each attempt doubles the pause; what the provider asked for is the least, but for an absurd wish.
fn pause(attempts: u32, asked: Option<Duration>) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(12));
    doubled.min(LONGEST_PAUSE).max(asked.unwrap_or_default().min(LONGEST_WISH))
}
