//! PostgreSQL's own publish and subscribe.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::sqlx::postgres::{PgListener, PgPoolOptions};
use sea_orm::sqlx::{Error, PgPool, query};
use sea_orm::{DbBackend, DbErr, RuntimeErr};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use super::attempt_error::AttemptError;
use crate::broadcast::{BroadcastError, ChangeBroadcast, Received, Sender};
use crate::session::SessionId;

/// How long it waits for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The channel: one per database.
const CHANNEL: &str = "login_session_event";

/// Tells other nodes of changes by `NOTIFY`, and hears of theirs by `LISTEN`.
///
/// Takes two connections of its own. Changes are sent after their transaction, many in one message:
/// a transaction that notifies holds a lock that all commits of the database wait for.
///
/// ```no_run
/// use session_core::SessionManager;
/// use session_core::store::sea_orm::{PostgresNotify, SeaOrmStore};
///
/// # async fn run(keyring: session_core::Keyring) -> Result<(), Box<dyn std::error::Error>> {
/// let url = "postgres://app@db/app";
/// let sessions = SessionManager::builder(SeaOrmStore::connect(url).await?)
///     .broadcast(PostgresNotify::connect(url).await?)
///     .keyring(keyring)
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
pub struct PostgresNotify {
    sender: Sender,
    pool: PgPool,
    /// What it listens with; `None` before the first message is waited for.
    listener: Mutex<Option<PgListener>>,
    url: SecretString,
}

impl PostgresNotify {
    /// Connects to the database at this address: the one that holds the sessions, without a pooler
    /// such as PgBouncer in transaction mode in between, which forgets who listens.
    ///
    /// # Errors
    ///
    /// Returns a [`BroadcastError`] if the address is invalid or the database cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, BroadcastError> {
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_TIMEOUT);
        let pool = options.connect(url).await.map_err(failed)?;
        let (sender, url) = (Sender::new(), SecretString::from(url));
        Ok(Self { sender, pool, listener: Mutex::new(None), url })
    }
}

#[async_trait]
impl ChangeBroadcast for PostgresNotify {
    async fn send(&self, changed: &[SessionId]) -> Result<(), BroadcastError> {
        for message in self.sender.messages(changed) {
            let notify = query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(message);
            notify.execute(&self.pool).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn receive(&self) -> Result<Received, BroadcastError> {
        let mut listener = self.listener.lock().await;
        let Some(listening) = &mut *listener else {
            let mut new = PgListener::connect(self.url.expose_secret()).await.map_err(failed)?;
            new.listen(CHANNEL).await.map_err(failed)?;
            *listener = Some(new);
            return Ok(Received::Connected);
        };
        loop {
            match listening.try_recv().await {
                Ok(Some(message)) => {
                    if let Some(received) = self.sender.read(message.payload()) {
                        return Ok(received);
                    }
                }
                // It was lost and is back.
                Ok(None) => return Ok(Received::Connected),
                Err(error) => {
                    *listener = None;
                    return Err(failed(error));
                }
            }
        }
    }
}

/// Leaves out what an error says of the address.
fn failed(error: Error) -> BroadcastError {
    let error = DbErr::Conn(RuntimeErr::SqlxError(error.into()));
    BroadcastError::because(AttemptError::without_effect(DbBackend::Postgres, error).error)
}

impl fmt::Debug for PostgresNotify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresNotify")
    }
}
