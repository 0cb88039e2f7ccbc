//! The lease on a move: the right of one process to work on it, which each of its transactions proves.
//!
//! The lock of `lock/` keeps a second process away, but not where a server's locks end with another
//! session, as behind a pooler, or are known to one node of a cluster only.

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseTransaction, Value};
use serde::{Deserialize, Serialize};

use super::JournalTable;
use crate::error::MigrateError;
use crate::sql::Dialect;

/// The connections of a process, by the ids that their servers gave them; none to a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunnerConnections {
    /// The connection that has the lock, on the target's server.
    pub(crate) lock: Option<u64>,
    pub(crate) target: Vec<u64>,
    pub(crate) source: Vec<u64>,
}

impl JournalTable {
    /// Gives this process the lease, which ends that of any other.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Lost` if another process has removed the move meanwhile.
    pub(crate) async fn take_over(
        &self,
        connection: &impl ConnectionTrait,
        owner: &str,
        connections: &RunnerConnections,
    ) -> Result<(), MigrateError> {
        let mut query = self.query("UPDATE session_move SET runner = ");
        let runner = query.bind(Value::Uuid(Some(self.runner)));
        query.push(&runner).push(", owner = ");
        let owner = query.bind(Value::String(Some(owner.to_owned())));
        query.push(&owner).push(", connections = ");
        let connections = serde_json::to_string(connections).unwrap_or_default();
        let connections = query.bind(Value::String(Some(connections)));
        query.push(&connections).push(" WHERE id = ");
        let id = self.bind_id(&mut query);
        query.push(&id);
        Self::one(query.execute(connection).await?)
    }

    /// Proves the lease, which stays until the transaction ends.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Lost` if another process has it.
    pub(crate) async fn require_lease(
        &self,
        transaction: &DatabaseTransaction,
    ) -> Result<(), MigrateError> {
        let number = if self.dialect == Dialect::Postgres { "1::bigint" } else { "1" };
        let mut query = self.query(&format!("SELECT {number} FROM session_move WHERE id = "));
        let id = self.bind_id(&mut query);
        query.push(&id).push(" AND runner = ");
        let runner = query.bind(Value::Uuid(Some(self.runner)));
        query.push(&runner);
        if self.dialect != Dialect::Sqlite {
            query.push(" FOR UPDATE");
        }
        Self::one(query.number(transaction).await?)
    }
}
