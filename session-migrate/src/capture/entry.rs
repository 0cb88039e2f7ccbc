//! What the log holds.

use sea_orm_migration::sea_orm::{ConnectionTrait, QueryResult, Value};

use super::log::{ALL, FIRST_RELATION, KEY, Log};
use crate::sql::{Cell, CellReader, ColumnKind, Dialect, Query, SqlError};

/// Far below every limit of placeholders; MariaDB makes another statement of a list of a thousand.
const AT_ONCE: usize = 500;

/// An entry's own id. It is never given twice, and says nothing of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(u128);

/// An entry as it is stored: what it is about, and its values.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) id: ChangeId,
    pub(super) what: u64,
    pub(super) cells: Vec<Cell>,
}

/// At most `limit` entries that are committed, in any order.
pub(super) async fn read(
    log: &Log,
    connection: &impl ConnectionTrait,
    limit: u32,
) -> Result<Vec<Stored>, SqlError> {
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

fn stored(log: &Log, row: &QueryResult) -> Result<Stored, SqlError> {
    let mut reader = CellReader::new(log.dialect, row);
    let id = reader.expression(ColumnKind::Text)?;
    let id = id.as_text().and_then(|text| match log.dialect {
        Dialect::Mysql => text.parse().ok(),
        _ => u128::from_str_radix(&text, 16).ok(),
    });
    let id = id.ok_or_else(|| SqlError::unexpected("an entry of the change log has no id"))?;
    let what = reader.count()?;
    let cells = log.columns().map(|(_, column)| reader.cell(column.kind));
    let cells: Vec<Cell> = cells.collect::<Result<_, _>>()?;
    // The other columns belong to other sorts of entries.
    let cells = match what {
        ALL => Vec::new(),
        KEY => cells.into_iter().take(log.key.len()).collect(),
        relation => {
            let at = usize::try_from(relation - FIRST_RELATION).unwrap_or(usize::MAX);
            cells.into_iter().skip(log.key.len()).skip(at).take(1).collect()
        }
    };
    Ok(Stored { id: ChangeId(id), what, cells })
}

pub(super) async fn count(log: &Log, connection: &impl ConnectionTrait) -> Result<u64, SqlError> {
    let sql = format!("SELECT COUNT(*) FROM {}", log.table.sql(log.dialect));
    Query::new(log.dialect, sql).number(connection).await
}

/// Deletes these entries, and no others: whatever else was committed meanwhile stays.
pub(super) async fn forget(
    log: &Log,
    connection: &impl ConnectionTrait,
    ids: &[ChangeId],
) -> Result<(), SqlError> {
    for some in ids.chunks(AT_ONCE) {
        deletion(log, some).execute(connection).await?;
    }
    Ok(())
}

/// On MySQL the entries are looked up one by one, from a list of ids. Given `IN`, it scans a log of
/// few entries whatever index is forced, and a scan stops at an entry that is not committed yet
/// and waits for its writer.
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
        // It was made of one, so it is one.
        Dialect::Mysql => {
            let number = query.bind(Value::BigUnsigned(u64::try_from(id.0).ok()));
            format!("CAST({number} AS UNSIGNED)")
        }
    }
}
