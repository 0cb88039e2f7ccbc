//! Tells other nodes which sessions have changed here, where there is a broadcast.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use crate::broadcast::{BroadcastError, ChangeBroadcast};
use crate::error_chain::ErrorChain;
use crate::manager::manager::Inner;
use crate::session::SessionId;

/// How many changes wait to be sent. Beyond that, other nodes find them in the event log.
const MAX_WAITING: usize = 10_000;

/// Takes the changes of this node, which one task sends.
#[derive(Debug)]
pub(in crate::manager) struct Announcer(Option<mpsc::Sender<SessionId>>);

/// The changes that wait to be sent.
pub(in crate::manager) type Announcements = mpsc::Receiver<SessionId>;

impl Announcer {
    /// Creates an announcer, and what [`spawn`] sends; without a broadcast it does nothing.
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

/// Starts the task that sends. It ends with the manager, or at its shutdown.
pub(in crate::manager) fn spawn(inner: &Arc<Inner>, announcements: Announcements) {
    if let Some(broadcast) = inner.broadcast.clone() {
        inner.tasks.spawn(send_all(Arc::downgrade(inner), broadcast, announcements));
    }
}

/// Sends what has come together since the last message, and at a shutdown what is left.
async fn send_all(
    weak: Weak<Inner>,
    broadcast: Arc<dyn ChangeBroadcast>,
    mut announcements: Announcements,
) {
    let Some(closing) = weak.upgrade().map(|inner| inner.tasks.closing()) else { return };
    let mut closing = std::pin::pin!(closing);
    let (mut changed, mut is_failing) = (Vec::new(), false);
    loop {
        changed.clear();
        tokio::select! {
            biased;
            count = announcements.recv_many(&mut changed, MAX_WAITING) => if count == 0 { return },
            () = &mut closing => return,
        }
        match send(&weak, &*broadcast, &changed).await {
            Err(error) if !is_failing => {
                tracing::warn!(error = %ErrorChain(&error), "other nodes learn of changes later");
                is_failing = true;
            }
            Err(_) => {}
            Ok(()) => is_failing = false,
        }
    }
}

async fn send(
    weak: &Weak<Inner>,
    broadcast: &dyn ChangeBroadcast,
    changed: &[SessionId],
) -> Result<(), BroadcastError> {
    let Some(inner) = weak.upgrade() else { return Ok(()) };
    let timeout = inner.clock.sleep(inner.policy.store_timeout());
    drop(inner);
    tokio::select! {
        biased;
        sent = broadcast.send(changed) => sent,
        () = timeout => Err(BroadcastError::because("no answer in time")),
    }
}
