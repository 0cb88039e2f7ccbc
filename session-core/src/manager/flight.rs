//! One renewal per session in a process: who comes later gets its outcome.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::error::{TokenError, TokenErrorKind};
use crate::session::{Session, SessionId};
use crate::token::TokenSet;

/// Tokens that are good now, with the row that they are in.
#[derive(Debug, Clone)]
pub(super) struct Renewed {
    pub(super) session: Session,
    pub(super) tokens: Arc<TokenSet>,
}

pub(super) type Outcome = Result<Renewed, TokenError>;

/// A renewal under way, for those who wait for it; dropping it stops nothing.
#[derive(Debug, Clone)]
pub(super) struct Flight(watch::Receiver<Option<Outcome>>);

impl Flight {
    pub(super) async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // Its task died: nothing is known of the tokens.
            Ok(None) | Err(_) => Err(TokenError::new(TokenErrorKind::Unavailable {
                retry_after: std::time::Duration::from_secs(1),
            })),
        }
    }
}

/// The renewals under way in this process.
#[derive(Debug, Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<SessionId, Flight>>,
}

/// The right to be the one task that renews a session; given back on drop, panics included.
pub(super) struct Boarding<'a> {
    flights: &'a Flights,
    id: SessionId,
    sender: watch::Sender<Option<Outcome>>,
    outcome: Option<Outcome>,
}

impl Flights {
    /// The renewal of this session: one that is under way, or a new one, for whose task the sender
    /// is.
    pub(super) fn join(&self, id: SessionId) -> (Flight, Option<watch::Sender<Option<Outcome>>>) {
        match self.lock().entry(id) {
            Entry::Occupied(flight) => (flight.get().clone(), None),
            Entry::Vacant(place) => {
                let (sender, receiver) = watch::channel(None);
                (place.insert(Flight(receiver)).clone(), Some(sender))
            }
        }
    }

    pub(super) const fn board(
        &self,
        id: SessionId,
        sender: watch::Sender<Option<Outcome>>,
    ) -> Boarding<'_> {
        Boarding { flights: self, id, sender, outcome: None }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Flight>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Boarding<'_> {
    /// Tells all who wait.
    pub(super) fn land(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Boarding<'_> {
    /// Whoever comes after the removal begins a new renewal, which reads the row anew (F4).
    fn drop(&mut self) {
        self.flights.lock().remove(&self.id);
        if let Some(outcome) = self.outcome.take() {
            self.sender.send_replace(Some(outcome));
        }
    }
}
