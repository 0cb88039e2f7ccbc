//! Whether an index serves a column.

use sea_orm_migration::sea_orm::{DatabaseConnection, Value};

use crate::sql::{Dialect, Query, SqlError, Table};

/// Returns whether an index of the table, over all of its rows, begins with the column.
pub(crate) async fn has_index_on(
    connection: &DatabaseConnection,
    dialect: Dialect,
    table: &Table,
    column: &str,
) -> Result<bool, SqlError> {
    let sql = match dialect {
        Dialect::Sqlite => {
            "SELECT COUNT(*) FROM pragma_index_list(?) i, pragma_index_info(i.name) c \
             WHERE i.partial = 0 AND c.seqno = 0 AND c.name = ?"
        }
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
             WHERE i.indpred IS NULL AND i.indisvalid \
             AND c.relname = $1 AND a.attname = $2 AND n.nspname = $3"
        }
        Dialect::Mysql => {
            "SELECT COUNT(*) FROM information_schema.STATISTICS \
             WHERE SEQ_IN_INDEX = 1 AND SUB_PART IS NULL AND INDEX_TYPE = 'BTREE' \
             AND TABLE_NAME = ? AND COLUMN_NAME = ? AND TABLE_SCHEMA = ?"
        }
    };
    let mut query = Query::new(dialect, sql);
    let names = [Some(table.name.as_str()), Some(column), table.schema.as_deref()];
    for name in names.into_iter().take(if dialect == Dialect::Sqlite { 2 } else { 3 }) {
        // The statements have the placeholders already.
        let _ = query.bind(Value::String(name.map(str::to_owned)));
    }
    Ok(query.number(connection).await? > 0)
}
