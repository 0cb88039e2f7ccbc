//! The archive: a table beside the source's that keeps the pruned rows.

use sha2::{Digest as _, Sha256};

use super::error::PruneError;
use super::table::PrunableTable;
use crate::sql::{Dialect, Table};

/// An archive table: the source's columns, and three of its own.
#[derive(Debug)]
pub(super) struct Archive {
    /// Its name, without schema and quotes.
    pub(super) name: String,
    /// Its name in statements.
    pub(super) sql: String,
    /// Its own columns, quoted: the run's id, the time, and the reason.
    pub(super) own: [String; 3],
    /// The source's columns, quoted.
    pub(super) columns: Vec<String>,
    source: String,
    dialect: Dialect,
}

impl Archive {
    /// Returns the archive of a table. A table whose columns have changed gets another archive.
    pub(super) fn of(source: &PrunableTable) -> Self {
        let (table, dialect) = (&source.table, source.dialect());
        let name = format!("session_prune_archive_{}", digest(table));
        let own = ["run_id", "pruned_at", "reason"].map(|own| {
            let is_taken = table.columns.iter().any(|it| it.name.eq_ignore_ascii_case(own));
            dialect.quote(&if is_taken { format!("prune_{own}") } else { own.to_owned() })
        });
        Self {
            sql: dialect.table(table.schema.as_deref(), &name),
            columns: table.columns.iter().map(|column| dialect.quote(&column.name)).collect(),
            source: source.table_sql(),
            name,
            own,
            dialect,
        }
    }

    /// Creates the table, if it does not exist.
    pub(super) async fn create(&self, table: &PrunableTable) -> Result<(), PruneError> {
        let (sql, source, columns) = (&self.sql, &self.source, self.columns.join(", "));
        let [run, at, reason] = &self.own;
        table
            .run(&match self.dialect {
                Dialect::Sqlite => {
                    let types = table.table.columns.iter().zip(&self.columns);
                    let columns: Vec<String> =
                        types.map(|(column, name)| format!("{name} {}", column.declared)).collect();
                    format!(
                        "CREATE TABLE IF NOT EXISTS {sql} ({run} TEXT NOT NULL, \
                         {at} INTEGER NOT NULL, {reason} TEXT NOT NULL, {})",
                        columns.join(", ")
                    )
                }
                Dialect::Postgres => format!(
                    "CREATE TABLE IF NOT EXISTS {sql} AS SELECT ''::text AS {run}, \
                     0::bigint AS {at}, ''::text AS {reason}, {columns} FROM {source} WITH NO DATA"
                ),
                // Some servers refuse a table without a primary key.
                Dialect::Mysql => format!(
                    "CREATE TABLE IF NOT EXISTS {sql} (archive_id BIGINT NOT NULL AUTO_INCREMENT \
                     PRIMARY KEY, {run} VARCHAR(64) NOT NULL DEFAULT '', {at} BIGINT NOT NULL \
                     DEFAULT 0, {reason} VARCHAR(32) NOT NULL DEFAULT '') SELECT {columns} FROM {source} LIMIT 0"
                ),
            })
            .await
    }

    /// Returns the table with its columns, for an insert; the reason is the last column.
    pub(super) fn into(&self) -> String {
        let [run, at, reason] = &self.own;
        format!("{} ({run}, {at}, {}, {reason})", self.sql, self.columns.join(", "))
    }

    /// Returns the statements that put the rows of a run back. A run's id contains no quotes.
    pub(super) fn undo(&self, run_id: &str) -> Vec<String> {
        let (columns, [run, ..]) = (self.columns.join(", "), &self.own);
        let overriding =
            if self.dialect == Dialect::Postgres { " OVERRIDING SYSTEM VALUE" } else { "" };
        vec![
            format!(
                "INSERT INTO {} ({columns}){overriding} SELECT {columns} FROM {} WHERE {run} = '{run_id}'",
                self.source, self.sql
            ),
            format!("DELETE FROM {} WHERE {run} = '{run_id}'", self.sql),
        ]
    }
}

/// Returns a short digest of the table and its columns.
fn digest(table: &Table) -> String {
    let mut digest = Sha256::new();
    let schema = table.schema.as_deref().unwrap_or_default();
    let columns = table.columns.iter().flat_map(|it| [it.name.as_str(), it.declared.as_str()]);
    for part in [schema, &table.name].into_iter().chain(columns) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
