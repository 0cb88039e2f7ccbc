//! A broadcast among the managers of one process, which can break.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Mutex as AsyncMutex, broadcast, watch};

use crate::broadcast::{BroadcastError, ChangeBroadcast, Received};
use crate::session::SessionId;

/// How many messages wait for a node.
const MAX_WAITING: usize = 1024;

/// The number of the node that has sent it, and what has changed.
type Message = (usize, Vec<SessionId>);

/// A broadcast among the managers of one process: give each its own [`node`](Self::node).
///
/// ```
/// use session_core::broadcast::{ChangeBroadcast, Received};
/// use session_core::testing::{MemoryBroadcast, sample};
/// use session_core::SessionId;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let broadcast = MemoryBroadcast::new();
/// let (here, there) = (broadcast.node(), broadcast.node());
/// assert_eq!(there.receive().await.unwrap(), Received::Connected);
/// let id = SessionId::generate(sample::now());
/// here.send(&[id]).await.unwrap();
/// assert_eq!(there.receive().await.unwrap(), Received::Changed(vec![id]));
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct MemoryBroadcast {
    messages: broadcast::Sender<Message>,
    is_broken: Arc<watch::Sender<bool>>,
    nodes: Arc<Mutex<usize>>,
}

/// One node's end of a [`MemoryBroadcast`].
#[derive(Debug)]
pub struct BroadcastNode {
    number: usize,
    hub: MemoryBroadcast,
    receiver: AsyncMutex<Option<broadcast::Receiver<Message>>>,
}

impl MemoryBroadcast {
    /// Creates a broadcast without nodes.
    #[must_use]
    pub fn new() -> Self {
        let is_broken = Arc::new(watch::Sender::new(false));
        Self { messages: broadcast::Sender::new(MAX_WAITING), is_broken, nodes: Arc::default() }
    }

    /// Adds a node.
    #[must_use]
    pub fn node(&self) -> BroadcastNode {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        *nodes += 1;
        BroadcastNode { number: *nodes, hub: self.clone(), receiver: AsyncMutex::new(None) }
    }

    /// Sets whether every call fails, and loses what is sent.
    pub fn set_broken(&self, is_broken: bool) {
        self.is_broken.send_replace(is_broken);
    }

    fn check(&self) -> Result<(), BroadcastError> {
        match *self.is_broken.borrow() {
            true => Err(BroadcastError::because("an injected fault")),
            false => Ok(()),
        }
    }
}

impl Default for MemoryBroadcast {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl ChangeBroadcast for BroadcastNode {
    async fn send(&self, changed: &[SessionId]) -> Result<(), BroadcastError> {
        self.hub.check()?;
        // There is an error if no node listens.
        drop(self.hub.messages.send((self.number, changed.to_vec())));
        Ok(())
    }

    async fn receive(&self) -> Result<Received, BroadcastError> {
        self.hub.check()?;
        let mut receiver = self.receiver.lock().await;
        let Some(listening) = &mut *receiver else {
            *receiver = Some(self.hub.messages.subscribe());
            return Ok(Received::Connected);
        };
        let mut is_broken = self.hub.is_broken.subscribe();
        loop {
            tokio::select! {
                biased;
                _ = is_broken.wait_for(|broken| *broken) => break,
                message = listening.recv() => match message {
                    Ok((number, _)) if number == self.number => {}
                    Ok((_, changed)) => return Ok(Received::Changed(changed)),
                    Err(_) => return Ok(Received::Connected),
                },
            }
        }
        *receiver = None;
        Err(BroadcastError::because("an injected fault"))
    }
}
