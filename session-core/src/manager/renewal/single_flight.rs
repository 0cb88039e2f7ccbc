//! One renewal per session in a process: later callers get its outcome.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::manager::error::{DEFAULT_RETRY_AFTER, TokenError};
use crate::manager::peak::shrink_after_peak;
use crate::session::{Session, SessionId};
use crate::token::{Resource, TokenSet};

/// Tokens that are valid now, with the row that holds them.
#[derive(Debug, Clone)]
pub(in crate::manager) struct Renewed {
    pub(in crate::manager) session: Session,
    pub(in crate::manager) tokens: Arc<TokenSet>,
}

pub(in crate::manager) type RenewalOutcome = Result<Renewed, TokenError>;

type OutcomeSender = watch::Sender<Option<RenewalOutcome>>;

/// A renewal in progress; dropping it does not stop the renewal.
#[derive(Debug, Clone)]
pub(in crate::manager) struct PendingRenewal {
    outcome: watch::Receiver<Option<RenewalOutcome>>,
    resource: Option<Resource>,
}

impl PendingRenewal {
    /// Returns whether it is for this resource; `None` means the main access token.
    pub(in crate::manager) fn is_for(&self, resource: Option<&Resource>) -> bool {
        self.resource.as_ref() == resource
    }

    pub(in crate::manager) async fn outcome(mut self) -> RenewalOutcome {
        match self.outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // Its task has panicked: the state of the tokens is unknown.
            Ok(None) | Err(_) => Err(TokenError::unavailable(DEFAULT_RETRY_AFTER)),
        }
    }
}

/// The renewals in progress in this process.
#[derive(Debug, Default)]
pub(in crate::manager) struct SingleFlight {
    in_progress: Mutex<HashMap<SessionId, PendingRenewal>>,
}

/// Marks one task as the one that renews a session, until it is dropped, also by a panic.
pub(super) struct CompletionGuard<'a> {
    renewals: &'a SingleFlight,
    id: SessionId,
    sender: OutcomeSender,
    outcome: Option<RenewalOutcome>,
}

impl SingleFlight {
    /// Returns the renewal of a session: the one in progress, whatever it is for, or a new one
    /// together with the sender for its task. A refresh token is not sent twice at once (F24).
    pub(super) fn join(
        &self,
        id: SessionId,
        resource: Option<&Resource>,
    ) -> (PendingRenewal, Option<OutcomeSender>) {
        match self.lock().entry(id) {
            Entry::Occupied(pending) => (pending.get().clone(), None),
            Entry::Vacant(entry) => {
                let (sender, outcome) = watch::channel(None);
                let pending = PendingRenewal { outcome, resource: resource.cloned() };
                (entry.insert(pending).clone(), Some(sender))
            }
        }
    }

    /// Returns the renewal of a session that is in progress.
    pub(super) fn in_progress(&self, id: SessionId) -> Option<PendingRenewal> {
        self.lock().get(&id).cloned()
    }

    pub(super) const fn guard(&self, id: SessionId, sender: OutcomeSender) -> CompletionGuard<'_> {
        CompletionGuard { renewals: self, id, sender, outcome: None }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, PendingRenewal>> {
        self.in_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CompletionGuard<'_> {
    /// Tells all callers that wait.
    pub(super) fn complete(mut self, outcome: RenewalOutcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for CompletionGuard<'_> {
    /// Removes the renewal before its outcome is told: a caller that comes after the removal starts
    /// a new one, which reads the row again (F4).
    fn drop(&mut self) {
        let mut renewals = self.renewals.lock();
        renewals.remove(&self.id);
        shrink_after_peak(&mut renewals);
        drop(renewals);
        if let Some(outcome) = self.outcome.take() {
            self.sender.send_replace(Some(outcome));
        }
    }
}
