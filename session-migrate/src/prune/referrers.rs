//! Rows of other tables that refer to victims, and would be deleted or changed with them.
//!
//! The archive holds rows of the pruned table only. So a victim that a foreign key with `CASCADE`,
//! `SET NULL` or `SET DEFAULT` refers to is not deleted.

use sea_orm_migration::sea_orm::DatabaseConnection;

use super::error::{PruneError, PruneErrorKind};
use super::report::ReferringRows;
use crate::sql::{Dialect, InboundKey, Query, SqlError, Table, inbound_keys};

/// The alias of a referring table.
const ALIAS: &str = "referring_row";

/// The foreign keys through which deleting a row has effects on other tables.
#[derive(Debug)]
pub(super) struct Referrers {
    dialect: Dialect,
    keys: Vec<InboundKey>,
}

impl Referrers {
    /// Reads the foreign keys that refer to a table.
    pub(super) async fn of(
        connection: &DatabaseConnection,
        table: &Table,
    ) -> Result<Self, SqlError> {
        let mut keys = inbound_keys(connection, table).await?;
        keys.retain(InboundKey::has_effect);
        Ok(Self { dialect: Dialect::of(connection.get_database_backend()), keys })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Appends ` AND`, and that no row refers to the row with this alias.
    pub(super) fn push_is_free(&self, query: &mut Query, row: &str) {
        for key in &self.keys {
            let (from, on) = (self.table(key), self.refers(key, row));
            query.push(&format!(" AND NOT EXISTS (SELECT 1 FROM {from} WHERE {on})"));
        }
    }

    fn table(&self, key: &InboundKey) -> String {
        format!("{} AS {ALIAS}", self.dialect.table(key.schema.as_deref(), &key.table))
    }

    /// Returns the condition that the referring row refers to the row with this alias.
    fn refers(&self, key: &InboundKey, row: &str) -> String {
        let quote = |name: &str| self.dialect.quote(name);
        let pairs = key.columns.iter();
        let pairs = pairs
            .map(|(child, parent)| format!("{ALIAS}.{} = {row}.{}", quote(child), quote(parent)));
        pairs.collect::<Vec<_>>().join(" AND ")
    }

    /// Counts the rows that refer to the rows of `from`, whose alias is `row`, by foreign key.
    pub(super) async fn count(
        &self,
        connection: &DatabaseConnection,
        from: &str,
        row: &str,
    ) -> Result<Vec<ReferringRows>, PruneError> {
        let mut found = Vec::new();
        for key in &self.keys {
            let mut query = Query::new(self.dialect, "SELECT COUNT(*) FROM ");
            let (table, on) = (self.table(key), self.refers(key, row));
            query.push(from).push(&format!(" JOIN {table} ON {on}"));
            let rows = query.number(connection).await?;
            if rows > 0 {
                found.push(ReferringRows {
                    table: key.table.clone(),
                    columns: key.columns.iter().map(|(child, _)| child.clone()).collect(),
                    on_delete: key.on_delete.clone(),
                    rows,
                });
            }
        }
        Ok(found)
    }
}

/// Refuses to delete victims to which rows of other tables refer.
pub(super) fn require_none(found: &[ReferringRows]) -> Result<(), PruneError> {
    if found.is_empty() {
        return Ok(());
    }
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    Err(PruneError::because(PruneErrorKind::Referred, found.join(", ")))
}
