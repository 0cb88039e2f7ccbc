//! The complete content of a database: its schema, and every value with its storage class.

use sea_orm_migration::sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use session_tests::database::Kind;

use session_tests::source::Source;

/// Returns each object of the schema and each row as a line.
pub(crate) async fn snapshot(source: &Source) -> Vec<String> {
    let connection = &source.connection;
    let mut lines = match source.kind() {
        Kind::Sqlite => sqlite(connection).await,
        Kind::Postgres => postgres(connection).await,
        Kind::MariaDb | Kind::MySql => mysql(connection).await,
    };
    lines.sort();
    lines
}

/// Returns the differences of two snapshots.
pub(crate) fn changes(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    let mut changes: Vec<String> = gone.chain(new).collect();
    if changes.is_empty() && before != after {
        changes.push(format!("{} lines, and {} before", after.len(), before.len()));
    }
    changes
}

/// Returns a column of each row, as text.
pub(crate) async fn texts(connection: &DatabaseConnection, sql: &str, at: usize) -> Vec<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    rows.iter().map(|row| row.try_get_by_index(at).unwrap()).collect()
}

/// Counts the rows of a table.
pub(crate) async fn count(source: &Source, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    let statement = Statement::from_string(source.connection.get_database_backend(), sql);
    let row = source.connection.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Returns which process has the lease on the only move.
pub(crate) async fn runner(source: &Source) -> Vec<u8> {
    let sql = "SELECT runner FROM session_move";
    let statement = Statement::from_string(source.connection.get_database_backend(), sql);
    let row = source.connection.query_one_raw(statement).await.unwrap().unwrap();
    match source.kind() {
        Kind::Postgres => row.try_get_by_index::<uuid::Uuid>(0).unwrap().into_bytes().to_vec(),
        _ => row.try_get_by_index(0).unwrap(),
    }
}

async fn of_rows(
    connection: &DatabaseConnection,
    table: &str,
    quoted: &str,
    row: &str,
) -> Vec<String> {
    let rows = texts(connection, &format!("SELECT {row} FROM {quoted}"), 0).await;
    rows.into_iter().map(|row| format!("row of {table}: {row}")).collect()
}

async fn sqlite(connection: &DatabaseConnection) -> Vec<String> {
    let objects = "SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_master";
    let mut lines = texts(connection, objects, 0).await;
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table'";
    for table in texts(connection, tables, 0).await {
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        let columns = texts(connection, &columns, 0).await;
        let cells = columns.iter().map(|it| format!("typeof(\"{it}\") || ' ' || quote(\"{it}\")"));
        let row = cells.collect::<Vec<_>>().join(" || ', ' || ");
        lines.extend(of_rows(connection, &table, &format!("\"{table}\""), &row).await);
    }
    lines
}

async fn postgres(connection: &DatabaseConnection) -> Vec<String> {
    let mut lines = Vec::new();
    for sql in [
        "SELECT 'column ' || table_schema || '.' || table_name || '.' || column_name || ' ' || ordinal_position || ' ' \
         || data_type || ' ' || is_nullable || ' ' || COALESCE(column_default, '') FROM information_schema.columns \
         WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
        "SELECT 'trigger ' || tgrelid::regclass || ' ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
        "SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
         WHERE connamespace = 'public'::regnamespace",
        "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'",
    ] {
        lines.extend(texts(connection, sql, 0).await);
    }
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    for table in texts(connection, tables, 0).await {
        lines.extend(of_rows(connection, &table, &format!("\"{table}\" AS t"), "t::text").await);
    }
    lines
}

async fn mysql(connection: &DatabaseConnection) -> Vec<String> {
    let mut lines = Vec::new();
    for sql in [
        "SELECT CAST(CONCAT('trigger ', TRIGGER_NAME, ' ', ACTION_TIMING, ' ', EVENT_MANIPULATION, ' ', EVENT_OBJECT_TABLE, ' ', \
         ACTION_STATEMENT) AS CHAR) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
        "SELECT CAST(CONCAT('routine ', ROUTINE_NAME) AS CHAR) FROM information_schema.ROUTINES \
         WHERE ROUTINE_SCHEMA = DATABASE()",
    ] {
        lines.extend(texts(connection, sql, 0).await);
    }
    let tables = "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";
    for table in texts(connection, tables, 0).await {
        let quoted = format!("`{table}`");
        lines.extend(texts(connection, &format!("SHOW CREATE TABLE {quoted}"), 1).await);
        let columns = format!(
            "SELECT CAST(COLUMN_NAME AS CHAR) FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{table}' ORDER BY ORDINAL_POSITION"
        );
        let columns = texts(connection, &columns, 0).await;
        let cells =
            columns.iter().map(|it| format!("COALESCE(HEX(CAST(`{it}` AS BINARY)), 'NULL')"));
        let row = format!("CONCAT_WS(', ', {})", cells.collect::<Vec<_>>().join(", "));
        lines.extend(of_rows(connection, &table, &quoted, &row).await);
    }
    lines
}
