//! Galera: a node may not have yet what another one has committed.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::sync::OnceCell;

/// What makes a statement wait for the writes of other nodes, for that statement alone.
const WAITING: &str = "SET STATEMENT wsrep_sync_wait = 1 FOR ";

/// Whether the server is a node of a cluster, and what is asked of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cluster {
    /// Whether each lookup waits, not only one that finds nothing.
    pub(super) is_always_causal: bool,
    /// Asked once, when it first matters.
    is_galera: Arc<OnceCell<bool>>,
}

impl Cluster {
    /// Returns whether the server is a node of a Galera cluster.
    pub(super) async fn is_galera(&self, pool: &impl ConnectionTrait) -> Result<bool, DbErr> {
        let backend = pool.get_database_backend();
        if backend != DbBackend::MySql {
            return Ok(false);
        }
        let is_galera = self.is_galera.get_or_try_init(|| async {
            // MySQL has no such variable; MariaDB has it without a cluster as well.
            let sql = "SHOW VARIABLES WHERE Variable_name = 'wsrep_on' AND Value = 'ON'";
            let found = pool.query_one_raw(Statement::from_string(backend, sql)).await;
            found.map(|row| row.is_some())
        });
        is_galera.await.copied()
    }
}

/// Returns the query as one that waits for the writes of other nodes.
pub(super) fn waiting(query: Statement) -> Statement {
    Statement { sql: format!("{WAITING}{}", query.sql), ..query }
}
