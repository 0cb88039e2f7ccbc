//! What a sign-in leaves behind that fails, or whose caller is gone: a session without an owner, and
//! a refresh token that no row holds (store laws 1 and 11).

use std::sync::Arc;
use std::time::Duration;

use super::manager::Inner;
use super::row;
use crate::error_chain::ErrorChain;
use crate::session::{EndReason, SecretDigest, Session, SessionId};
use crate::store::{EndTarget, EndedSession, NewSession, PendingRevocation};
use crate::token::Sealed;

/// How often a session of an unknown outcome is looked for. The pauses between double: a statement
/// may still be running after its caller has given up.
const LOOKS: u32 = 7;

const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(32);

/// A session that is about to be admitted.
#[derive(Debug, Clone)]
pub(super) struct NewGrant {
    session: Session,
    refresh_token: Option<Sealed>,
}

impl NewGrant {
    pub(super) fn of(new: &NewSession) -> Self {
        Self { session: new.session.clone(), refresh_token: new.tokens.refresh_token.clone() }
    }

    /// Ends the session, if it was admitted all the same, and has its refresh token revoked; in a
    /// task of its own.
    pub(super) fn withdraw(self, inner: &Arc<Inner>) {
        let task = Arc::clone(inner);
        inner.tasks.spawn(async move {
            // An end moves the refresh token to the outbox.
            if !self.find_and_end(&task).await {
                self.revoke(&task).await;
            }
        });
    }

    /// Has the refresh token of a session that was certainly not admitted revoked.
    pub(super) fn discard(self, inner: &Arc<Inner>) {
        let task = Arc::clone(inner);
        inner.tasks.spawn(async move { self.revoke(&task).await });
    }

    /// Has the refresh token revoked, unless a write of an unknown outcome has given it to this
    /// session together with this secret; in a task of its own.
    pub(super) fn discard_unless_written(
        self,
        inner: &Arc<Inner>,
        id: SessionId,
        to: SecretDigest,
    ) {
        let task = Arc::clone(inner);
        inner.tasks.spawn(async move {
            if !is_written(&task, id, to).await {
                self.revoke(&task).await;
            }
        });
    }

    /// Ends the session as soon as it is found; returns whether it was.
    async fn find_and_end(&self, inner: &Arc<Inner>) -> bool {
        let (mut looks, mut pause) = (0, MIN_PAUSE);
        loop {
            let target = EndTarget::One { id: self.session.id, user: None };
            match row::end(inner, target, EndReason::Superseded, inner.now()).await {
                Ok(ended) if !ended.is_empty() => return true,
                Ok(_) => looks += 1,
                Err(error) => {
                    tracing::warn!(session = %self.session.id, error = %ErrorChain(&error), "a failed sign-in is looked for");
                }
            }
            if looks >= LOOKS || !may_wait(inner, &mut pause).await {
                return false;
            }
        }
    }

    async fn revoke(&self, inner: &Inner) {
        let Some(sealed) = self.refresh_token.clone() else { return };
        let revocation = PendingRevocation::new(&self.session, sealed, inner.now());
        let mut pause = MIN_PAUSE;
        while let Err(error) =
            inner.bounded(inner.store.enqueue_revocation(revocation.clone())).await
        {
            if !error.is_transient() || !may_wait(inner, &mut pause).await {
                let session = self.session.id;
                tracing::error!(%session, error = %ErrorChain(&error), "a refresh token will not be revoked");
                return;
            }
        }
    }
}

/// Returns whether a row has this secret; looks for as long as a statement may still be running.
async fn is_written(inner: &Inner, id: SessionId, to: SecretDigest) -> bool {
    let (mut looks, mut pause) = (0, MIN_PAUSE);
    loop {
        match inner.bounded(inner.store.find(id)).await {
            Ok(Some(row)) if row.digests.iter().any(|digest| digest == to) => return true,
            Ok(_) => looks += 1,
            Err(error) => {
                tracing::warn!(session = %id, error = %ErrorChain(&error), "a failed step-up is looked for");
            }
        }
        if looks >= LOOKS || !may_wait(inner, &mut pause).await {
            return false;
        }
    }
}

/// Waits before another try; `false` if the manager shuts down.
async fn may_wait(inner: &Inner, pause: &mut Duration) -> bool {
    let span = *pause;
    *pause = (span * 2).min(MAX_PAUSE);
    tokio::select! {
        biased;
        () = inner.tasks.closing() => false,
        () = inner.clock.sleep(span) => true,
    }
}

/// An admitted session that no caller has taken yet. Dropped before that, it ends: the secret that
/// leads to it is lost.
pub(super) struct Unclaimed {
    inner: Arc<Inner>,
    grant: Option<NewGrant>,
    ended: Vec<EndedSession>,
}

impl Unclaimed {
    pub(super) fn new(inner: &Arc<Inner>, grant: NewGrant, ended: Vec<EndedSession>) -> Self {
        Self { inner: Arc::clone(inner), grant: Some(grant), ended }
    }

    /// Takes the session over, and returns the sessions that ended for it.
    pub(super) fn claim(mut self) -> Vec<EndedSession> {
        self.grant = None;
        std::mem::take(&mut self.ended)
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            grant.withdraw(&self.inner);
        }
    }
}
