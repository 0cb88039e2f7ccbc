//! Entries of the change log: reading them, and deleting those that were applied.

use sea_orm_migration::sea_orm::{ConnectionTrait, QueryResult, Value};

use super::log::{ALL, FIRST_RELATION, KEY, Log};
use crate::sql::{Cell, CellReader, ColumnKind, Dialect, Query, SqlError};

/// Far below every limit of placeholders; MariaDB rewrites a list of a thousand values.
const MAX_IDS: usize = 500;

/// An entry's id. It is never reused, and does not tell the order of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(u128);

/// An entry of the change log.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// Its id, by which it is deleted.
    pub id: ChangeId,
    /// The rows that may have changed.
    pub what: ChangedRows,
}

/// Rows that may have changed.
///
/// # Security
///
/// A key can be a cookie. `Debug` prints classes and sizes only.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChangedRows {
    /// Any row.
    All,
    /// The row with this key.
    Key(Vec<Cell>),
    /// The rows in which a column refers to this value.
    Related {
        /// The column that refers.
        column: String,
        /// The join whose table it belongs to; none for the mapped table.
        join: Option<String>,
        /// The value that it refers to.
        value: Cell,
    },
}

/// An entry as it is stored: its kind, and its values.
#[derive(Debug)]
pub(super) struct StoredEntry {
    pub(super) id: ChangeId,
    pub(super) kind: u64,
    pub(super) cells: Vec<Cell>,
}

/// Returns at most `limit` committed entries, in any order.
pub(super) async fn read(
    log: &Log,
    connection: &impl ConnectionTrait,
    limit: u32,
) -> Result<Vec<StoredEntry>, SqlError> {
    let dialect = log.dialect;
    let mut query = Query::new(
        dialect,
        match dialect {
            Dialect::Sqlite => "SELECT hex(seq), what",
            Dialect::Postgres => "SELECT replace(seq::text, '-', ''), what::bigint",
            Dialect::Mysql => "SELECT CAST(seq AS CHAR), CAST(what AS SIGNED)",
        },
    );
    for (name, column) in log.columns() {
        query.push(", ").push(&dialect.fetch(&name, column.kind));
    }
    query.push(&format!(" FROM {} LIMIT {limit}", log.table.sql(dialect)));
    let rows = query.rows(connection).await?;
    rows.iter().map(|row| stored(log, row)).collect()
}

fn stored(log: &Log, row: &QueryResult) -> Result<StoredEntry, SqlError> {
    let mut reader = CellReader::new(log.dialect, row);
    let id = reader.expression(ColumnKind::Text)?;
    let id = id.as_text().and_then(|text| match log.dialect {
        Dialect::Mysql => text.parse().ok(),
        _ => u128::from_str_radix(&text, 16).ok(),
    });
    let id = id.ok_or_else(|| SqlError::unexpected("an entry of the change log has no id"))?;
    let kind = reader.count()?;
    let cells = log.columns().map(|(_, column)| reader.cell(column.kind));
    let cells: Vec<Cell> = cells.collect::<Result<_, _>>()?;
    // The other columns belong to other kinds of entries.
    let cells = match kind {
        ALL => Vec::new(),
        KEY => cells.into_iter().take(log.key.len()).collect(),
        relation => {
            let at = usize::try_from(relation - FIRST_RELATION).unwrap_or(usize::MAX);
            cells.into_iter().skip(log.key.len()).skip(at).take(1).collect()
        }
    };
    Ok(StoredEntry { id: ChangeId(id), kind, cells })
}

pub(super) async fn count(log: &Log, connection: &impl ConnectionTrait) -> Result<u64, SqlError> {
    let sql = format!("SELECT COUNT(*) FROM {}", log.table.sql(log.dialect));
    Query::new(log.dialect, sql).number(connection).await
}

/// Deletes these entries only: what else was committed meanwhile stays.
pub(super) async fn forget(
    log: &Log,
    connection: &impl ConnectionTrait,
    ids: &[ChangeId],
) -> Result<(), SqlError> {
    for some in ids.chunks(MAX_IDS) {
        deletion(log, some).execute(connection).await?;
    }
    Ok(())
}

/// Builds the statement. On MySQL a list of ids is joined, so that entries are looked up one by
/// one: with `IN` it scans a short log whatever index is forced, and a scan waits for the writer of
/// an entry that is not committed yet.
fn deletion(log: &Log, ids: &[ChangeId]) -> Query {
    let table = log.table.sql(log.dialect);
    let is_mysql = log.dialect == Dialect::Mysql;
    let mut query = Query::new(log.dialect, if is_mysql { "DELETE entry FROM (" } else { "" });
    let ids: Vec<String> = ids.iter().map(|id| parameter(&mut query, log.dialect, *id)).collect();
    if is_mysql {
        let ids: Vec<String> = ids.iter().map(|id| format!("SELECT {id} AS id")).collect();
        query.push(&ids.join(" UNION ALL ")).push(&format!(
            ") AS forgotten STRAIGHT_JOIN {table} AS entry FORCE INDEX (PRIMARY) \
             ON entry.seq = forgotten.id"
        ));
    } else {
        query.push(&format!("DELETE FROM {table} WHERE seq IN ({})", ids.join(", ")));
    }
    query
}

fn parameter(query: &mut Query, dialect: Dialect, id: ChangeId) -> String {
    match dialect {
        Dialect::Sqlite => query.bind(Value::Bytes(Some(id.0.to_be_bytes().to_vec()))),
        Dialect::Postgres => {
            let text = query.bind(Value::String(Some(format!("{:032x}", id.0))));
            format!("CAST({text} AS uuid)")
        }
        // Every id of MySQL was read from such a number.
        Dialect::Mysql => {
            let number = query.bind(Value::BigUnsigned(u64::try_from(id.0).ok()));
            format!("CAST({number} AS UNSIGNED)")
        }
    }
}
