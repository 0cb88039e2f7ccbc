//! Publish and subscribe on Redis or Valkey.

use std::fmt;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use redis::aio::{MultiplexedConnection, PubSubStream};
use redis::{AsyncTypedCommands as _, Client, RedisError};
use tokio::sync::Mutex;

use super::{BroadcastError, ChangeBroadcast, Received, Sender};
use crate::session::SessionId;

/// Tells other nodes of changes by `PUBLISH`, and hears of theirs by `SUBSCRIBE`.
///
/// Nothing is stored there. For TLS enable a feature of the `redis` crate in your own manifest, such
/// as `tokio-rustls-comp`.
///
/// ```no_run
/// use session_core::SessionManager;
/// use session_core::broadcast::RedisPubSub;
///
/// # async fn run(store: session_core::store::memory::MemoryStore, keyring: session_core::Keyring)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionManager::builder(store)
///     .broadcast(RedisPubSub::connect("redis://cache/", "app:sessions").await?)
///     .keyring(keyring)
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
pub struct RedisPubSub {
    sender: Sender,
    client: Client,
    channel: String,
    /// What it publishes with; `None` after a failure.
    publisher: Mutex<Option<MultiplexedConnection>>,
    /// What it listens with; `None` before the first message is waited for, and after a failure.
    subscription: Mutex<Option<PubSubStream>>,
}

impl RedisPubSub {
    /// Connects to the server at this address, and uses this channel, which all nodes of an
    /// application share.
    ///
    /// # Errors
    ///
    /// Returns a [`BroadcastError`] if the address is invalid or the server cannot be reached.
    pub async fn connect(url: &str, channel: &str) -> Result<Self, BroadcastError> {
        let client = Client::open(url).map_err(failed)?;
        let publisher = client.get_multiplexed_async_connection().await.map_err(failed)?;
        Ok(Self {
            sender: Sender::new(),
            client,
            channel: channel.to_owned(),
            publisher: Mutex::new(Some(publisher)),
            subscription: Mutex::new(None),
        })
    }

    async fn publisher(&self) -> Result<MultiplexedConnection, BroadcastError> {
        let mut publisher = self.publisher.lock().await;
        match &*publisher {
            Some(publisher) => Ok(publisher.clone()),
            None => {
                let new = self.client.get_multiplexed_async_connection().await.map_err(failed)?;
                Ok(publisher.insert(new).clone())
            }
        }
    }
}

#[async_trait]
impl ChangeBroadcast for RedisPubSub {
    async fn send(&self, changed: &[SessionId]) -> Result<(), BroadcastError> {
        let mut publisher = self.publisher().await?;
        for message in self.sender.messages(changed) {
            if let Err(error) = publisher.publish(&self.channel, message).await {
                *self.publisher.lock().await = None;
                return Err(failed(error));
            }
        }
        Ok(())
    }

    async fn receive(&self) -> Result<Received, BroadcastError> {
        let mut subscription = self.subscription.lock().await;
        let Some(messages) = &mut *subscription else {
            let mut new = self.client.get_async_pubsub().await.map_err(failed)?;
            new.subscribe(&self.channel).await.map_err(failed)?;
            *subscription = Some(new.into_on_message());
            return Ok(Received::Connected);
        };
        while let Some(message) = messages.next().await {
            let text = message.get_payload::<String>().unwrap_or_default();
            if let Some(received) = self.sender.read(&text) {
                return Ok(received);
            }
        }
        *subscription = None;
        Err(BroadcastError::because("the connection was closed"))
    }
}

/// Leaves out what an error says of the address.
fn failed(error: RedisError) -> BroadcastError {
    BroadcastError::because(error.category().to_owned())
}

impl fmt::Debug for RedisPubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisPubSub")
    }
}
