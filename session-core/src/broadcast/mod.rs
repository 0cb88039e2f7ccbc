//! Tells other nodes at once which sessions have changed.
//!
//! Each node looks for changes itself, every [`follow_interval`]. A broadcast only makes that
//! faster: one that is lost costs time, never an end. `store::sea_orm::PostgresNotify` is one on
//! PostgreSQL, and `RedisPubSub` (feature `redis`) one on Redis or Valkey.
//!
//! [`follow_interval`]: crate::policy::PolicyBuilder::follow_interval

#[cfg(any(feature = "postgres", feature = "redis"))]
mod message;
#[cfg(feature = "redis")]
mod pub_sub;

use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use crate::session::SessionId;

#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) use message::Sender;
#[cfg(feature = "redis")]
pub use pub_sub::RedisPubSub;

/// Carries ids of changed sessions from each node to all others.
///
/// # Security
///
/// What arrives is not believed: the sessions' rows are read again. Ids of sessions are no secrets.
#[async_trait]
pub trait ChangeBroadcast: fmt::Debug + Send + Sync + 'static {
    /// Sends the ids of sessions that have changed. May be given thousands.
    ///
    /// # Errors
    ///
    /// Returns a [`BroadcastError`] if they were not sent. They are not sent again.
    async fn send(&self, changed: &[SessionId]) -> Result<(), BroadcastError>;

    /// Waits for the next message of another node. Called by one task, again after each answer.
    ///
    /// # Errors
    ///
    /// Returns a [`BroadcastError`] if messages cannot be received. It is called again after a
    /// pause.
    async fn receive(&self) -> Result<Received, BroadcastError>;
}

/// What a node hears of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// These sessions have changed.
    Changed(Vec<SessionId>),
    /// Messages may have been missed: the first answer, and the first after a lost connection.
    Connected,
}

/// A broadcast that failed. Its cause never holds an address or a password.
#[derive(Debug, thiserror::Error)]
#[error("the broadcast of changes failed: {cause}")]
pub struct BroadcastError {
    cause: Box<dyn Error + Send + Sync>,
}

impl BroadcastError {
    /// Creates an error with this cause.
    pub fn because(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into() }
    }
}
