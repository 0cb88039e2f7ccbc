use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, Statement};
use url::Url;

use super::fresh::connect;
use super::{Database, Kind, Proxy};

/// How long a pool of a link tries before it reports an outage.
const PATIENCE: Duration = Duration::from_secs(2);

/// A way to a database that can be cut and restored, the same for every kind.
///
/// A server is behind a [`Proxy`]; a SQLite file is locked by another connection.
/// Pools that were opened past the link, and other links, keep their server.
#[derive(Clone, Debug)]
pub struct Link {
    /// Without a server behind it.
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

    /// The address through the link, for SeaORM or for another process.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens a pool that reports an outage after two seconds at the latest.
    pub async fn connect(&self) -> DatabaseConnection {
        self.connect_with(|_| ()).await
    }

    /// Opens a pool as [`connect`](Self::connect) does, with options of the caller's on top.
    pub async fn connect_with(&self, with: impl FnOnce(&mut ConnectOptions)) -> DatabaseConnection {
        let mut options = self.options.clone();
        options.acquire_timeout(PATIENCE);
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(PATIENCE));
        with(&mut options);
        connect(options).await
    }

    /// Takes the database away, as of the return: every query through the link fails.
    ///
    /// A server's connections are dropped and new ones refused. A SQLite file is
    /// locked, as soon as the transactions that run on it are over.
    ///
    /// # Panics
    ///
    /// If the SQLite file is in WAL mode, in which no lock keeps readers out.
    pub async fn cut(&self) -> Outage {
        match &self.proxy {
            Some(proxy) => {
                proxy.cut().await.expect("the proxy keeps its port");
                Outage(Some(Cause::Proxy(Arc::clone(proxy))))
            }
            None => self.lock().await,
        }
    }

    /// Lets the database fall silent: queries through the link wait and get no answer.
    ///
    /// SQLite knows no silence: there a query waits for its busy timeout and fails.
    ///
    /// # Panics
    ///
    /// As [`cut`](Self::cut).
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
        assert_ne!(mode, "wal", "in WAL mode no lock keeps readers out");
        holder.execute_unprepared("BEGIN EXCLUSIVE").await.expect("the file is locked");
        Outage(Some(Cause::Lock(holder)))
    }

    /// How often clients have waited for the server so far; `None` where there is no server.
    #[must_use]
    pub fn round_trips(&self) -> Option<u64> {
        self.proxy.as_ref().map(|proxy| proxy.round_trips())
    }

    /// What kind of database is at the end of it.
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

/// The time in which the database is away; it ends with [`restore`](Self::restore).
///
/// Dropping it ends the outage too, at some later moment.
#[derive(Debug)]
#[must_use = "the database is back when this is dropped"]
pub struct Outage(Option<Cause>);

#[derive(Debug)]
enum Cause {
    Proxy(Arc<Proxy>),
    /// Whoever holds SQLite's lock; closing it gives the lock back.
    Lock(DatabaseConnection),
}

impl Outage {
    /// Brings the database back, as of the return.
    pub async fn restore(mut self) {
        match self.0.take() {
            Some(Cause::Proxy(proxy)) => proxy.restore().expect("the proxy listens again"),
            Some(Cause::Lock(holder)) => holder.close().await.expect("the lock is given back"),
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
