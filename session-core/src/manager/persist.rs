//! Keeping what a provider gave, whatever happens to the database meanwhile (store laws 3 and 5).

use std::sync::Arc;
use std::time::Duration;

use super::error::{TokenError, TokenErrorKind};
use super::flight::Renewed;
use super::lease::Held;
use super::renewal::{Opened, Renewing, SOON};
use crate::clock::Timestamp;
use crate::session::{ProviderName, UserId};
use crate::store::{
    Partition, PendingRevocation, RevocationId, StoreError, StoredSession, TokenWrite,
};
use crate::token::{SealContext, SealedPart, TokenResponse, TokenSet};

/// What a provider gave, until it is written.
struct Fresh {
    response: TokenResponse,
    received_at: Timestamp,
    /// What was sent to get it.
    sent: Arc<TokenSet>,
}

/// One try at writing.
enum Written {
    Done(Renewed),
    /// Somebody else has written; there is nothing more to do.
    Overtaken(Renewed),
    /// The session has ended: what was fetched must not stay alive at the provider.
    Over(TokenError),
    /// Try again.
    NotYet,
}

impl Renewing<'_> {
    /// Writes new tokens, and tries until they are written, the session is found over, or the
    /// shutdown's deadline has passed. Nobody gets them before they are durable.
    pub(super) async fn keep(
        &self,
        opened: Opened,
        response: TokenResponse,
        held: &mut Held,
    ) -> Result<Renewed, TokenError> {
        let received_at = self.inner.now();
        let fresh = Fresh { response, received_at, sent: opened.tokens };
        let mut row = opened.row;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.write(&mut row, &fresh).await {
                Ok(Written::Done(renewed) | Written::Overtaken(renewed)) => return Ok(renewed),
                Ok(Written::Over(error)) => {
                    self.discard(&row, &fresh, held).await;
                    return Err(error);
                }
                Ok(Written::NotYet) => {}
                Err(error) => {
                    tracing::warn!(session = %self.id, %error, "a renewed token is not yet written");
                }
            }
            self.pause(&mut pause, held).await?;
        }
    }

    /// Waits before the next try, and beats; an error if the shutdown's deadline has passed.
    async fn pause(&self, pause: &mut Duration, held: &mut Held) -> Result<(), TokenError> {
        let inner = self.inner;
        tokio::select! {
            biased;
            () = inner.tasks.giving_up() => {
                tracing::error!(session = %self.id, "a renewed token is lost at shutdown");
                return Err(TokenError::unavailable(SOON));
            }
            () = inner.clock.sleep(*pause) => {}
        }
        // Well within a term, so that nobody takes the lease over once the store is back.
        *pause = (*pause * 2).min(held.lease.term / 8).max(FIRST_PAUSE);
        drop(inner.beat(self.id, held).await);
        Ok(())
    }

    async fn write(&self, row: &mut StoredSession, fresh: &Fresh) -> Result<Written, StoreError> {
        let Ok(stored) = self.inner.open_tokens(row) else {
            return Ok(Written::Over(TokenError::new(TokenErrorKind::Unreadable)));
        };
        if !stored.has_refresh_token_of(&fresh.sent) {
            let (session, tokens) = (row.session.clone(), Arc::new(stored));
            return Ok(Written::Overtaken(Renewed { session, tokens }));
        }
        let assumed = self.inner.policy.renewal().assumed_lifetime;
        let merged = stored.renewed(fresh.response.clone(), fresh.received_at, assumed);
        let session = &row.session;
        let sealed = merged.seal(&self.inner.keyring, self.id, &session.user, &session.provider);
        let Ok(tokens) = sealed else {
            return Ok(Written::NotYet);
        };
        let (revision, now) = (session.revision, fresh.received_at);
        let write = TokenWrite { id: self.id, revision, tokens, now };
        match self.inner.bounded(self.inner.store.write_tokens(write)).await? {
            Some(revision) => Ok(self.done(row, Arc::new(merged), revision, now)),
            None => self.read_again(row).await,
        }
    }

    fn done(
        &self,
        row: &StoredSession,
        tokens: Arc<TokenSet>,
        revision: u64,
        now: Timestamp,
    ) -> Written {
        self.inner.observers.forget(&row.digests);
        tracing::info!(session = %self.id, provider = %row.session.provider, "tokens renewed");
        let mut session = row.session.clone();
        (session.revision, session.renewed_at) = (revision, Some(now));
        Written::Done(Renewed { session, tokens })
    }

    /// Zero rows: the session is over, or the row has moved on and the write is tried on that.
    async fn read_again(&self, row: &mut StoredSession) -> Result<Written, StoreError> {
        let found = self.inner.bounded(self.inner.store.find(self.id)).await?;
        let Some(found) = found else {
            return Ok(Written::Over(TokenError::new(TokenErrorKind::NotFound)));
        };
        *row = found;
        Ok(match row.session.ended {
            Some(ended) => Written::Over(TokenError::new(TokenErrorKind::Ended(ended.reason))),
            None => Written::NotYet,
        })
    }

    /// The session is over: its fresh refresh token goes to the outbox (F13, V4).
    async fn discard(&self, row: &StoredSession, fresh: &Fresh, held: &mut Held) {
        let session = &row.session;
        let Some(revocation) = self.revocation(&session.user, &session.provider, row, fresh) else {
            return;
        };
        let mut pause = FIRST_PAUSE;
        loop {
            let enqueued = self.inner.store.enqueue_revocation(revocation.clone());
            match self.inner.bounded(enqueued).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(session = %self.id, %error, "a token is not yet to be revoked");
                }
            }
            if self.pause(&mut pause, held).await.is_err() {
                return;
            }
        }
    }

    fn revocation(
        &self,
        user: &UserId,
        provider: &ProviderName,
        row: &StoredSession,
        fresh: &Fresh,
    ) -> Option<PendingRevocation> {
        let tokens = TokenSet::new(fresh.response.clone(), fresh.received_at, Duration::ZERO);
        let part = SealedPart::RefreshToken;
        let context = SealContext { session: self.id, user, provider, part };
        let plain = tokens.refresh_token()?.as_bytes();
        Some(PendingRevocation {
            id: RevocationId::generate(),
            session: self.id,
            user: user.clone(),
            provider: provider.clone(),
            partition: Partition::of(user, provider, row.session.identity.cap_subject().as_ref()),
            refresh_token: self.inner.keyring.seal(context, plain).ok()?,
            created_at: fresh.received_at,
            due_at: fresh.received_at,
            attempts: 0,
        })
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
