//! A fresh database for each test.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use sea_orm::sqlx::{AssertSqlSafe, Executor as _};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbErr, IsolationLevel};
use url::Url;
use uuid::Uuid;

use super::{Kind, Link, template};

/// A database that only this test uses; it is dropped with this value.
///
/// Any number of pools can be opened on it, in this process and, by its
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
    /// Creates an empty database with a unique name.
    pub async fn create(kind: Kind) -> Self {
        Self::from_template(kind, None).await
    }

    /// Creates a copy of a database, or an empty one.
    async fn from_template(kind: Kind, template: Option<&str>) -> Self {
        let name = format!("session_test_{}", Uuid::now_v7().simple());
        let place = Place::create(kind, &name, template).await;
        let url = place.url(&name);
        Self { kind, name, url, isolation: None, _place: place }
    }

    /// Creates an empty database with this default isolation level.
    ///
    /// PostgreSQL stores it with the database. MySQL and MariaDB store it with the
    /// connection, so it applies to the pools that this harness opens; other pools have
    /// the default of the server, `REPEATABLE READ`. SQLite is always serializable.
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
        match template::of(kind).await {
            Some(template) => Self::from_template(kind, Some(&template)).await,
            None => {
                let database = Self::create(kind).await;
                database.migrate().await;
                database
            }
        }
    }

    /// Creates those tables in this database.
    pub async fn migrate(&self) {
        session_migrate::up(&self.url).await.expect("the tables are created");
    }

    /// Returns the kind of this database.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the address, for SeaORM or for another process.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens a pool with the default options of SeaORM.
    pub async fn connect(&self) -> DatabaseConnection {
        self.connect_with(|_| ()).await
    }

    /// Opens a pool with other options.
    pub async fn connect_with(&self, with: impl FnOnce(&mut ConnectOptions)) -> DatabaseConnection {
        let mut options = self.options(&self.url);
        with(&mut options);
        connect(options).await
    }

    /// Creates a connection path to this database that can be interrupted.
    pub async fn link(&self) -> Link {
        Link::to(self).await
    }

    /// Returns the options of every pool, before those of a test.
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

/// The name of an SQLite file in its folder.
pub(super) const FILE: &str = "test.sqlite";

pub(super) async fn connect(options: ConnectOptions) -> DatabaseConnection {
    sea_orm::Database::connect(options).await.expect("the database takes a connection")
}

/// The storage of a database; removed when dropped.
#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Server { kind: Kind, name: String },
}

impl Place {
    async fn create(kind: Kind, name: &str, template: Option<&str>) -> Self {
        match kind {
            Kind::Sqlite => {
                let folder = env::temp_dir().join(name);
                fs::create_dir(&folder).expect("a temporary folder is created");
                if let Some(template) = template {
                    fs::copy(template, folder.join(FILE)).expect("the template is copied");
                }
                return Self::Folder(folder);
            }
            Kind::Postgres => {
                let template = template.unwrap_or("template1");
                on_server(kind, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await
            }
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
                format!("sqlite://{}?mode=rwc", folder.join(FILE).display())
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
    /// Ignores errors, because the servers and folders of a run are temporary.
    fn drop(&mut self) {
        match self {
            Self::Folder(folder) => {
                let _ = fs::remove_dir_all(folder);
            }
            Self::Server { kind, name } => drop_on_server(*kind, name),
        }
    }
}

/// Uses a separate thread and runtime: a drop may happen within a runtime, after it, or in a panic.
fn drop_on_server(kind: Kind, name: &str) {
    let sql = match kind {
        Kind::Postgres => format!("DROP DATABASE {name} WITH (FORCE)"),
        _ => format!("DROP DATABASE {name}"),
    };
    let dropping = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // In MySQL an open transaction of a pool that is still alive can block DROP.
        let bound = Duration::from_secs(10);
        runtime
            .block_on(async { tokio::time::timeout(bound, on_server(kind, &sql)).await })?
            .map_err(std::io::Error::other)
    });
    let _ = dropping.join();
}

/// Runs a statement on the server of a kind.
pub(super) async fn on_server(kind: Kind, sql: &str) -> Result<(), DbErr> {
    let mut options = ConnectOptions::new(kind.server_url());
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await?;
    connection.execute_unprepared(sql).await?;
    connection.close().await
}
