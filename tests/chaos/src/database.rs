//! The database of a run, with a proxy for each process.

use sea_orm::{ConnectOptions, ConnectionTrait as _};
use session_tests::database::{Database, Kind, Proxy, galera_urls};
use url::Url;

use crate::error::BenchError;
use crate::options::DatabaseChoice;

/// The database of a run; it is dropped with this value, except that of a cluster.
#[derive(Debug)]
pub(crate) struct RunDatabase {
    /// One for each process.
    pub(crate) links: Vec<DatabaseLink>,
    _database: Option<Database>,
}

/// What one process reaches the database by.
#[derive(Debug)]
pub(crate) struct DatabaseLink {
    pub(crate) url: String,
    /// None for a file.
    pub(crate) proxy: Option<Proxy>,
}

impl RunDatabase {
    /// Creates an empty database, and a proxy for each process.
    pub(crate) async fn create(choice: DatabaseChoice, run: &str) -> Result<Self, BenchError> {
        let kind = match choice {
            DatabaseChoice::Galera => return Self::on_cluster(run).await,
            DatabaseChoice::Sqlite => Kind::Sqlite,
            DatabaseChoice::Postgres => Kind::Postgres,
            DatabaseChoice::Mariadb => Kind::MariaDb,
        };
        if !kind.is_available() {
            let message = format!("there is no server of {kind}: run ./scripts/chaos");
            return Err(BenchError::new(message));
        }
        let database = Database::create(kind).await;
        let links = (0..choice.processes()).map(|_| DatabaseLink::to(database.url()));
        Ok(Self { links: links.collect::<Result<_, _>>()?, _database: Some(database) })
    }

    async fn on_cluster(run: &str) -> Result<Self, BenchError> {
        let servers = galera_urls()
            .ok_or_else(|| BenchError::new("there is no Galera cluster: run ./scripts/chaos"))?;
        let failed = BenchError::because("cannot create a database on the cluster");
        if let Some(first) = servers.first() {
            let mut options = ConnectOptions::new(first);
            options.max_connections(1).sqlx_logging(false);
            let connection = sea_orm::Database::connect(options).await.map_err(&failed)?;
            let sql = format!("CREATE DATABASE {run} CHARACTER SET utf8mb4");
            connection.execute_unprepared(&sql).await.map_err(&failed)?;
        }
        let urls = servers.iter().map(|server| {
            let mut url = Url::parse(server).map_err(BenchError::because("no address"))?;
            url.set_path(run);
            DatabaseLink::to(url.as_str())
        });
        Ok(Self { links: urls.collect::<Result<_, _>>()?, _database: None })
    }
}

impl DatabaseLink {
    fn to(url: &str) -> Result<Self, BenchError> {
        if url.starts_with("sqlite:") {
            return Ok(Self { url: url.to_owned(), proxy: None });
        }
        let mut url = Url::parse(url).map_err(BenchError::because("no address of a database"))?;
        let upstream = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            _ => return Err(BenchError::new("the database's address has no host and port")),
        };
        let proxy = Proxy::start(upstream).map_err(BenchError::because("cannot start a proxy"))?;
        let is_set = url.set_ip_host(proxy.address().ip()).is_ok()
            && url.set_port(Some(proxy.address().port())).is_ok();
        match is_set {
            true => Ok(Self { url: url.into(), proxy: Some(proxy) }),
            false => Err(BenchError::new("the database's address cannot lead to a proxy")),
        }
    }
}
