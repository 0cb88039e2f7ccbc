//! The nodes of a Galera cluster, one of which is killed at a time.

use std::path::PathBuf;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait as _, DbBackend, Statement};
use tokio::time::{sleep, timeout};

use crate::error::BenchError;
use crate::kill::kill;

/// How long a node may take to come back.
const MAX_WAIT: Duration = Duration::from_secs(120);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// The nodes of a run, each of which is started again when it was killed.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    /// Its own address, without a proxy.
    url: String,
    data: PathBuf,
}

impl Cluster {
    /// Creates the cluster of these servers, whose data is in these folders.
    pub(crate) fn new(urls: &[String], folders: &str) -> Self {
        let pairs = urls.iter().zip(folders.split_whitespace());
        let node = |(url, data): (&String, &str)| Node { url: url.clone(), data: data.into() };
        Self { nodes: pairs.map(node).collect() }
    }

    /// Kills a node's server, as `kill -9` does; returns once all of them have the same again.
    pub(crate) async fn kill(&self, node: usize) -> Result<(), BenchError> {
        let node = self.nodes.get(node).ok_or_else(|| BenchError::new("no such node"))?;
        let killed = node.process().map_err(BenchError::because("no process to kill"))?;
        kill(&killed).await?;
        let is_back = async {
            while node.process().is_ok_and(|process| process == killed) {
                sleep(PAUSE).await;
            }
            self.until_safe().await
        };
        let late = |_| BenchError::new("a killed node is not back within two minutes");
        timeout(MAX_WAIT, is_back).await.map_err(late)
    }

    /// Waits until every node serves, with all that the others have.
    pub(crate) async fn until_safe(&self) {
        for node in &self.nodes {
            while !node.is_synced().await {
                sleep(PAUSE).await;
            }
        }
    }
}

impl Node {
    /// Returns the id of the server's process.
    fn process(&self) -> std::io::Result<String> {
        Ok(std::fs::read_to_string(self.data.join("server.pid"))?.trim().to_owned())
    }

    async fn is_synced(&self) -> bool {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(1).connect_timeout(Duration::from_secs(2)).sqlx_logging(false);
        let Ok(connection) = sea_orm::Database::connect(options).await else { return false };
        let sql = "SELECT COUNT(*) FROM information_schema.GLOBAL_STATUS WHERE \
                   VARIABLE_NAME = 'wsrep_local_state_comment' AND VARIABLE_VALUE = 'Synced'";
        let asked = connection.query_one_raw(Statement::from_string(DbBackend::MySql, sql)).await;
        let count = asked.ok().flatten().and_then(|row| row.try_get_by_index::<i64>(0).ok());
        count == Some(1)
    }
}
