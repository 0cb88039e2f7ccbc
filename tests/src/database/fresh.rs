use std::env;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use sea_orm::sqlx::{AssertSqlSafe, Executor as _};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbErr, IsolationLevel};
use url::Url;
use uuid::Uuid;

use super::{Kind, Link};

/// A database that this test alone uses; it is dropped with this value.
///
/// Any number of pools may be opened on it, in this process and, by its
/// [`url`](Self::url), in others.
#[derive(Debug)]
pub struct Database {
    kind: Kind,
    name: String,
    url: String,
    isolation: Option<IsolationLevel>,
    _place: Place,
}

impl Database {
    /// Creates an empty database with a name of its own.
    pub async fn create(kind: Kind) -> Self {
        let name = format!("session_test_{}", Uuid::now_v7().simple());
        let place = Place::create(kind, &name).await;
        let url = place.url(&name);
        Self { kind, name, url, isolation: None, _place: place }
    }

    /// Creates an empty database whose transactions are of `isolation` unless they say otherwise.
    ///
    /// PostgreSQL keeps this with the database. MySQL and MariaDB keep it with the
    /// connection, so there it holds in the pools that this harness opens; elsewhere
    /// they have their servers' default, `REPEATABLE READ`. SQLite is always serializable.
    pub async fn with_isolation(kind: Kind, isolation: IsolationLevel) -> Self {
        let mut database = Self::create(kind).await;
        if kind == Kind::Postgres {
            let name = &database.name;
            let level = isolation.to_string().to_lowercase();
            let sql =
                format!("ALTER DATABASE {name} SET default_transaction_isolation = '{level}'");
            on_server(kind, &sql).await.expect("the isolation is set");
        }
        database.isolation = Some(isolation);
        database
    }

    /// Creates a database with the tables that the crates under test need.
    pub async fn migrated(kind: Kind) -> Self {
        let database = Self::create(kind).await;
        database.migrate().await;
        database
    }

    /// Creates those tables in this database.
    pub async fn migrate(&self) {
        session_migrate::up(&self.url).await.expect("the tables are created");
    }

    /// What kind of database this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The address, for SeaORM or for another process.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens a pool with SeaORM's own options.
    pub async fn connect(&self) -> DatabaseConnection {
        self.connect_with(|_| ()).await
    }

    /// Opens a pool with options of the caller's.
    pub async fn connect_with(&self, with: impl FnOnce(&mut ConnectOptions)) -> DatabaseConnection {
        let mut options = self.options(&self.url);
        with(&mut options);
        connect(options).await
    }

    /// Makes a way to this database that can be cut.
    pub async fn link(&self) -> Link {
        Link::to(self).await
    }

    /// The options of every pool: those that a test may change come later.
    pub(super) fn options(&self, url: &str) -> ConnectOptions {
        let mut options = ConnectOptions::new(url);
        options.sqlx_logging(false);
        if let Some(isolation) = self.isolation
            && matches!(self.kind, Kind::MariaDb | Kind::MySql)
        {
            options.map_sqlx_mysql_pool_opts(move |pool| {
                pool.after_connect(move |connection, _| {
                    let sql = format!("SET SESSION TRANSACTION ISOLATION LEVEL {isolation}");
                    Box::pin(async move {
                        connection.execute(AssertSqlSafe(sql)).await?;
                        Ok(())
                    })
                })
            });
        }
        options
    }
}

pub(super) async fn connect(options: ConnectOptions) -> DatabaseConnection {
    sea_orm::Database::connect(options).await.expect("the database takes a connection")
}

/// Where the database lies; takes it away when dropped.
#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Server { kind: Kind, name: String },
}

impl Place {
    async fn create(kind: Kind, name: &str) -> Self {
        match kind {
            Kind::Sqlite => {
                let folder = env::temp_dir().join(name);
                fs::create_dir(&folder).expect("a temporary folder is created");
                return Self::Folder(folder);
            }
            Kind::Postgres => on_server(kind, &format!("CREATE DATABASE {name}")).await,
            Kind::MariaDb | Kind::MySql => {
                on_server(kind, &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).await
            }
        }
        .expect("a database is created");
        Self::Server { kind, name: name.to_owned() }
    }

    fn url(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => {
                format!("sqlite://{}?mode=rwc", folder.join("test.sqlite").display())
            }
            Self::Server { kind, .. } => {
                let mut url =
                    Url::parse(&kind.server_url()).expect("the server's address is a URL");
                url.set_path(name);
                url.into()
            }
        }
    }
}

impl Drop for Place {
    /// Does what it can: the servers and the folder of a run are thrown away anyway.
    fn drop(&mut self) {
        match self {
            Self::Folder(folder) => {
                let _ = fs::remove_dir_all(folder);
            }
            Self::Server { kind, name } => drop_on_server(*kind, name),
        }
    }
}

/// On a thread with a runtime of its own: a drop may come within a runtime, after it, or in a panic.
fn drop_on_server(kind: Kind, name: &str) {
    let sql = match kind {
        Kind::Postgres => format!("DROP DATABASE {name} WITH (FORCE)"),
        _ => format!("DROP DATABASE {name}"),
    };
    let dropping = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // An open transaction of a pool that is still there can hold up MySQL's DROP.
        let bound = Duration::from_secs(10);
        runtime
            .block_on(async { tokio::time::timeout(bound, on_server(kind, &sql)).await })?
            .map_err(std::io::Error::other)
    });
    let _ = dropping.join();
}

async fn on_server(kind: Kind, sql: &str) -> Result<(), DbErr> {
    let mut options = ConnectOptions::new(kind.server_url());
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await?;
    connection.execute_unprepared(sql).await?;
    connection.close().await
}
