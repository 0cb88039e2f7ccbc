//! A connection path to a database that a test can interrupt.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, Statement};
use url::Url;

use super::fresh::connect;
use super::{Database, Kind, Proxy};

/// How long a pool of a link tries before it reports an outage.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A path to a database that can be cut and restored, for every kind.
///
/// A server is behind a [`Proxy`]; an SQLite file is locked by another connection.
/// Other pools and other links are not affected.
#[derive(Clone, Debug)]
pub struct Link {
    /// Options with the address of the link.
    options: ConnectOptions,
    kind: Kind,
    url: String,
    proxy: Option<Arc<Proxy>>,
}

impl Link {
    pub(super) async fn to(database: &Database) -> Self {
        let (url, proxy) = match database.kind() {
            Kind::Sqlite => (database.url().to_owned(), None),
            _ => through_proxy(database.url()),
        };
        let options = database.options(&url);
        Self { options, kind: database.kind(), url, proxy }
    }

    /// Returns the address of the link, for SeaORM or for another process.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens a pool that reports an outage within two seconds.
    pub async fn connect(&self) -> DatabaseConnection {
        self.connect_with(|_| ()).await
    }

    /// Opens a pool as [`connect`](Self::connect) does, with additional options.
    pub async fn connect_with(&self, with: impl FnOnce(&mut ConnectOptions)) -> DatabaseConnection {
        let mut options = self.options.clone();
        options.acquire_timeout(TIMEOUT);
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(TIMEOUT));
        with(&mut options);
        connect(options).await
    }

    /// Interrupts the link: when this returns, every query through it fails.
    ///
    /// Connections to a server are closed and new ones refused. An SQLite file is
    /// locked once its running transactions have ended.
    ///
    /// # Panics
    ///
    /// Panics if the SQLite file is in WAL mode, in which no lock blocks readers.
    pub async fn cut(&self) -> Outage {
        match &self.proxy {
            Some(proxy) => {
                proxy.cut().await.expect("the proxy keeps its port");
                Outage(Some(Cause::Proxy(Arc::clone(proxy))))
            }
            None => self.lock().await,
        }
    }

    /// Freezes the link: queries through it wait without a response.
    ///
    /// On SQLite a query waits for its busy timeout and fails.
    ///
    /// # Panics
    ///
    /// Panics as [`cut`](Self::cut) does.
    pub async fn freeze(&self) -> Outage {
        match &self.proxy {
            Some(proxy) => {
                proxy.freeze();
                Outage(Some(Cause::Proxy(Arc::clone(proxy))))
            }
            None => self.lock().await,
        }
    }

    async fn lock(&self) -> Outage {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(1).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(Duration::from_secs(60)));
        let holder = connect(options).await;
        let backend = holder.get_database_backend();
        let mode = Statement::from_string(backend, "PRAGMA journal_mode");
        let mode: String = holder
            .query_one_raw(mode)
            .await
            .and_then(|row| row.expect("a mode").try_get_by_index(0))
            .expect("SQLite knows its mode");
        assert_ne!(mode, "wal", "in WAL mode no lock blocks readers");
        holder.execute_unprepared("BEGIN EXCLUSIVE").await.expect("the file is locked");
        Outage(Some(Cause::Lock(holder)))
    }

    /// Returns how often clients have waited for the server; `None` without a server.
    #[must_use]
    pub fn round_trips(&self) -> Option<u64> {
        self.proxy.as_ref().map(|proxy| proxy.round_trips())
    }

    /// Returns the kind of the database.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

fn through_proxy(url: &str) -> (String, Option<Arc<Proxy>>) {
    let mut url = Url::parse(url).expect("the address is a URL");
    let host = url.host_str().expect("the server has a host");
    let port = url.port().expect("the server has a port");
    let proxy = Proxy::start(format!("{host}:{port}")).expect("a proxy starts");
    url.set_ip_host(proxy.address().ip()).expect("the host can be replaced");
    url.set_port(Some(proxy.address().port())).expect("the port can be replaced");
    (url.into(), Some(Arc::new(proxy)))
}

/// An outage, which ends with [`restore`](Self::restore).
///
/// Dropping it ends the outage too, some time later.
#[derive(Debug)]
#[must_use = "dropping this ends the outage"]
pub struct Outage(Option<Cause>);

#[derive(Debug)]
enum Cause {
    Proxy(Arc<Proxy>),
    /// The connection that has locked the SQLite file; closing it releases the lock.
    Lock(DatabaseConnection),
}

impl Outage {
    /// Ends the outage: when this returns, queries succeed again.
    pub async fn restore(mut self) {
        match self.0.take() {
            Some(Cause::Proxy(proxy)) => proxy.restore().expect("the proxy listens again"),
            Some(Cause::Lock(holder)) => holder.close().await.expect("the lock is released"),
            None => {}
        }
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        if let Some(Cause::Proxy(proxy)) = self.0.take() {
            let _ = proxy.restore();
        }
    }
}
