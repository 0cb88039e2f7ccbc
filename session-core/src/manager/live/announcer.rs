//! Tells other nodes which sessions have changed here, where there is a broadcast.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::broadcast::{BroadcastError, ChangeBroadcast};
use crate::clock::Clock;
use crate::error_chain::ErrorChain;
use crate::session::SessionId;

/// How many changes wait to be sent. Beyond that, other nodes find them in the event log.
const MAX_WAITING: usize = 10_000;

/// Takes the changes of this node, which one task sends.
#[derive(Debug)]
pub(in crate::manager) struct Announcer(Option<mpsc::Sender<SessionId>>);

/// The changes that wait to be sent.
pub(in crate::manager) type Announcements = mpsc::Receiver<SessionId>;

impl Announcer {
    /// Creates an announcer, and what [`Sending`] takes; without a broadcast it does nothing.
    pub(in crate::manager) fn new(has_broadcast: bool) -> (Self, Announcements) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Self(has_broadcast.then_some(sender)), receiver)
    }

    pub(in crate::manager) fn announce(&self, id: SessionId) {
        if let Some(sender) = &self.0 {
            // A full queue only delays what other nodes see.
            let _ = sender.try_send(id);
        }
    }
}

/// What sends: the broadcast, and how long it may take.
pub(in crate::manager) struct Sending {
    pub(in crate::manager) broadcast: Arc<dyn ChangeBroadcast>,
    pub(in crate::manager) clock: Arc<dyn Clock>,
    pub(in crate::manager) timeout: Duration,
}

impl Sending {
    /// Sends what has come together since the last message, until the manager is gone or shuts down.
    pub(in crate::manager) async fn run(
        self,
        mut announcements: Announcements,
        closing: impl Future<Output = ()>,
    ) {
        let mut closing = std::pin::pin!(closing);
        let (mut changed, mut is_failing) = (Vec::new(), false);
        loop {
            changed.clear();
            let count = tokio::select! {
                biased;
                count = announcements.recv_many(&mut changed, MAX_WAITING) => count,
                () = &mut closing => 0,
            };
            if count == 0 {
                return;
            }
            let sent = self.send(&changed).await;
            if let Err(error) = &sent
                && !is_failing
            {
                tracing::warn!(error = %ErrorChain(&error), "other nodes learn of changes later");
            }
            is_failing = sent.is_err();
        }
    }

    async fn send(&self, changed: &[SessionId]) -> Result<(), BroadcastError> {
        tokio::select! {
            biased;
            sent = self.broadcast.send(changed) => sent,
            () = self.clock.sleep(self.timeout) => Err(BroadcastError::because("no answer in time")),
        }
    }
}
