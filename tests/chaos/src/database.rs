//! The database of a run, with a proxy for each process.

use sea_orm::{ConnectOptions, ConnectionTrait as _};
use session_tests::database::{Database, Kind, Proxy, galera_urls};
use url::Url;

use crate::cluster::Cluster;
use crate::error::BenchError;
use crate::history::FaultKind;
use crate::options::DatabaseChoice;
use crate::primary::Primary;

/// The database of a run; it is dropped with this value, except that of several servers.
#[derive(Debug)]
pub(crate) struct RunDatabase {
    /// One for each process.
    pub(crate) links: Vec<DatabaseLink>,
    servers: Servers,
    _database: Option<Database>,
}

/// The servers that the bench can kill.
#[derive(Debug)]
enum Servers {
    /// None: there is only one.
    One,
    Primary(Primary),
    Cluster(Cluster),
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
            DatabaseChoice::Patroni => return Self::under_patroni(run, choice.processes()).await,
            DatabaseChoice::Pgbouncer => {
                return Self::behind_pgbouncer(run, choice.processes()).await;
            }
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
        let links = links.collect::<Result<_, _>>()?;
        Ok(Self { links, servers: Servers::One, _database: Some(database) })
    }

    async fn on_cluster(run: &str) -> Result<Self, BenchError> {
        let (Some(urls), Some(folders)) = (galera_urls(), variable("GALERA_FOLDERS")) else {
            return Err(BenchError::new("there is no Galera cluster: run ./scripts/chaos"));
        };
        let create = format!("CREATE DATABASE {run} CHARACTER SET utf8mb4");
        let database = Self::on_servers(&urls, &create, run).await?;
        Ok(Self { servers: Servers::Cluster(Cluster::new(&urls, &folders)), ..database })
    }

    async fn under_patroni(run: &str, processes: usize) -> Result<Self, BenchError> {
        let (Some(url), Some(nodes)) = (variable("PATRONI_URL"), variable("PATRONI_NODES")) else {
            return Err(BenchError::new("there is no Patroni: run ./scripts/chaos"));
        };
        let servers = vec![url; processes];
        let database = Self::on_servers(&servers, &format!("CREATE DATABASE {run}"), run).await?;
        Ok(Self { servers: Servers::Primary(Primary::parse(&nodes, client()?)), ..database })
    }

    async fn behind_pgbouncer(run: &str, processes: usize) -> Result<Self, BenchError> {
        let url = variable("PGBOUNCER_URL")
            .ok_or_else(|| BenchError::new("there is no PgBouncer: run ./scripts/chaos"))?;
        Self::on_servers(&vec![url; processes], &format!("CREATE DATABASE {run}"), run).await
    }

    /// Creates a database on the first of these servers, which the others have as well.
    async fn on_servers(servers: &[String], create: &str, run: &str) -> Result<Self, BenchError> {
        let failed = BenchError::because("cannot create a database");
        if let Some(first) = servers.first() {
            let mut options = ConnectOptions::new(first);
            options.max_connections(1).sqlx_logging(false);
            let connection = sea_orm::Database::connect(options).await.map_err(&failed)?;
            connection.execute_unprepared(create).await.map_err(&failed)?;
        }
        let urls = servers.iter().map(|server| {
            let mut url = Url::parse(server).map_err(BenchError::because("no address"))?;
            url.set_path(run);
            DatabaseLink::to(url.as_str())
        });
        let links = urls.collect::<Result<_, _>>()?;
        Ok(Self { links, servers: Servers::One, _database: None })
    }

    /// Causes a fault of a server; returns once the database serves again.
    pub(crate) async fn disturb(&self, kind: FaultKind, server: usize) -> Result<(), BenchError> {
        match (&self.servers, kind) {
            (Servers::Primary(primary), FaultKind::SwitchPrimary) => primary.switch().await,
            (Servers::Primary(primary), _) => primary.kill().await,
            (Servers::Cluster(cluster), _) => cluster.kill(server).await,
            (Servers::One, _) => Err(BenchError::new("the database has one server")),
        }
    }

    /// Waits until another server has all that one confirms.
    pub(crate) async fn until_safe(&self) -> Result<(), BenchError> {
        match &self.servers {
            Servers::One => Ok(()),
            Servers::Primary(primary) => primary.until_safe().await,
            Servers::Cluster(cluster) => {
                cluster.until_safe().await;
                Ok(())
            }
        }
    }
}

/// Returns what `scripts/chaos` says about its servers.
fn variable(name: &str) -> Option<String> {
    std::env::var(format!("SESSION_TEST_{name}")).ok()
}

/// Creates a client of Patroni.
fn client() -> Result<reqwest::Client, BenchError> {
    let client = reqwest::Client::builder().no_proxy().tls_built_in_root_certs(false).build();
    client.map_err(BenchError::because("cannot create a client"))
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
