//! Galera: a node may not have yet what another one has committed.

use std::sync::Arc;

use sea_orm::{ConnectionTrait as _, DbBackend, FromQueryResult as _, Statement};
use tokio::sync::OnceCell;

use super::attempt_error::AttemptError;
use super::row::StoredRow;
use super::store::SeaOrmStore;
use crate::store::StoredSession;

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

impl SeaOrmStore {
    /// Runs a query for one session. On a Galera cluster, "none" is the answer of a statement that
    /// has waited for the writes of other nodes.
    pub(super) async fn find_stored(
        &self,
        query: Statement,
    ) -> Result<Option<StoredSession>, AttemptError> {
        if self.cluster.is_always_causal && self.is_galera().await? {
            return self.find_once(waiting(query)).await;
        }
        match self.find_once(query.clone()).await? {
            None if self.is_galera().await? => self.find_once(waiting(query)).await,
            found => Ok(found),
        }
    }

    async fn find_once(&self, query: Statement) -> Result<Option<StoredSession>, AttemptError> {
        let row = StoredRow::find_by_statement(query).one(&self.pool).await;
        row.map_err(|error| self.failed(error))?.map(StoredSession::try_from).transpose()
    }

    async fn is_galera(&self) -> Result<bool, AttemptError> {
        if self.backend != DbBackend::MySql {
            return Ok(false);
        }
        let is_galera = self.cluster.is_galera.get_or_try_init(|| async {
            // MySQL has no such variable; MariaDB has it without a cluster as well.
            let sql = "SHOW VARIABLES WHERE Variable_name = 'wsrep_on' AND Value = 'ON'";
            let found = self.pool.query_one_raw(Statement::from_string(self.backend, sql)).await;
            found.map(|row| row.is_some()).map_err(|error| self.failed(error))
        });
        is_galera.await.copied()
    }
}

fn waiting(query: Statement) -> Statement {
    Statement { sql: format!("{WAITING}{}", query.sql), ..query }
}
