//! The triggers that refuse writes.

use super::names::{Names, TableName};
use super::object::Object;
use super::trigger::{call, of_rows, of_statement, plpgsql};
use crate::sql::Dialect;

/// What a writer is told; MySQL allows 128 characters.
pub(super) const TEXT: &str =
    "this table was moved by session-migrate: it takes no more writes, its sessions are elsewhere";

/// Row by row: a statement that finds nothing to change is let through, such as the cascade from a
/// user who has no session.
pub(super) fn objects(dialect: Dialect, names: &Names, table: &TableName) -> Vec<Object> {
    let mut objects = Vec::new();
    let action = match dialect {
        Dialect::Sqlite => format!("BEGIN SELECT RAISE(ABORT, '{TEXT}'); END"),
        Dialect::Postgres => {
            let body = format!("BEGIN RAISE EXCEPTION '{TEXT}'; END");
            objects.push(plpgsql(names, "bar", "SET search_path = pg_catalog, pg_temp", &body));
            call(names, "bar")
        }
        Dialect::Mysql => format!("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{TEXT}'"),
    };
    for event in ["INSERT", "UPDATE", "DELETE"] {
        let name = names.of(&format!("bar_{}", event.to_lowercase()));
        objects.push(of_rows(dialect, &name, &format!("BEFORE {event}"), table, &action));
    }
    if dialect == Dialect::Postgres {
        let name = names.of("bar_truncate");
        objects.push(of_statement(&name, "BEFORE TRUNCATE", table, &action));
    }
    objects
}
