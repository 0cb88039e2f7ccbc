//! Rows of other tables that refer to victims, and would be deleted or changed with them.
//!
//! The archive holds rows of the pruned table only. So a victim that a foreign key with `CASCADE`,
//! `SET NULL` or `SET DEFAULT` refers to is not deleted.

use sea_orm_migration::sea_orm::DatabaseConnection;

use super::error::{PruneError, PruneErrorKind};
use super::report::ReferringRows;
use super::table::PrunableTable;
use super::victims::VictimTable;
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

    /// Counts the rows that refer to victims, by foreign key.
    async fn count(
        &self,
        table: &PrunableTable,
        victims: &VictimTable,
    ) -> Result<Vec<ReferringRows>, PruneError> {
        let mut found = Vec::new();
        for key in &self.keys {
            let mut query = Query::new(self.dialect, "SELECT COUNT(*) FROM ");
            query.push(&format!(
                "{} AS w JOIN {} AS row_of ON ",
                victims.name(),
                table.table_sql()
            ));
            query.push(&victims.is_row("row_of", false));
            query.push(&format!(" JOIN {} ON {}", self.table(key), self.refers(key, "row_of")));
            let rows = query.number(&table.connection).await?;
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

/// Counts the rows of other tables that would be deleted or changed with the victims.
pub(super) async fn referring_rows(
    table: &PrunableTable,
    victims: &VictimTable,
) -> Result<Vec<ReferringRows>, PruneError> {
    table.referrers.count(table, victims).await
}

/// Refuses to delete victims to which rows of other tables refer.
pub(super) async fn require_none(
    table: &PrunableTable,
    victims: &VictimTable,
) -> Result<(), PruneError> {
    let found = referring_rows(table, victims).await?;
    if found.is_empty() {
        return Ok(());
    }
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    Err(PruneError::because(PruneErrorKind::Referred, found.join(", ")))
}
