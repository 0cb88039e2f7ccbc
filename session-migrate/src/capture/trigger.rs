//! Triggers as SQL: those that fill the log, and those that block writes.

use super::log::{Entry, Log};
use super::objects::{Object, ObjectKind, ObjectNames, TableName};
use super::owner::CaptureOwner;
use crate::sql::{Column, Dialect};

/// A trigger that writes an entry after each row.
#[derive(Debug)]
pub(super) struct Trigger<'a> {
    /// What its name ends in.
    pub(super) suffix: String,
    pub(super) on: &'a TableName,
    pub(super) event: &'static str,
    /// The condition under which an entry is written.
    pub(super) when: Option<String>,
    pub(super) entry: Entry,
    /// The columns whose values are in the entry.
    pub(super) columns: &'a [Column],
    /// `OLD` or `NEW`.
    pub(super) row: &'static str,
}

/// Returns the function that writes an entry, on PostgreSQL.
///
/// # Security
///
/// It runs with the rights of the user that created it: the application's user needs no right to
/// the log, which may hold cookies. Its search path is fixed, so that no other function can be put
/// in front of the system's.
pub(super) fn function(
    log: &Log,
    names: &ObjectNames,
    suffix: &str,
    entry: Entry,
    columns: &[Column],
    row: &str,
) -> Object {
    let (into, values) = log.insert(entry, columns, row);
    let body = format!("BEGIN {into} VALUES ({values}); RETURN NULL; END");
    plpgsql(names, suffix, "SECURITY DEFINER SET search_path = pg_catalog, pg_temp", &body)
}

/// Returns a trigger function on PostgreSQL.
pub(super) fn plpgsql(names: &ObjectNames, suffix: &str, options: &str, body: &str) -> Object {
    let name = names.of(suffix);
    let sql = Dialect::Postgres.table(names.schema(), &name);
    Object {
        sort: ObjectKind::Function,
        schema: names.schema().map(str::to_owned),
        on: None,
        create: format!(
            "CREATE FUNCTION {sql}() RETURNS trigger LANGUAGE plpgsql {options} \
             AS $session_move$ {body} $session_move$"
        ),
        drop: format!("DROP FUNCTION {sql}()"),
        name,
    }
}

impl Trigger<'_> {
    /// Returns the trigger, which calls this function on PostgreSQL.
    pub(super) fn object(&self, log: &Log, names: &ObjectNames, function: &str) -> Object {
        let (into, values) = log.insert(self.entry, self.columns, self.row);
        let action = match (log.dialect, &self.when) {
            (Dialect::Sqlite, when) => {
                let when = when.as_ref().map(|when| format!("WHEN {when} ")).unwrap_or_default();
                format!("{when}BEGIN {into} VALUES ({values}); END")
            }
            (Dialect::Postgres, when) => {
                let when = when.as_ref().map(|when| format!("WHEN ({when}) ")).unwrap_or_default();
                format!("{when}{}", call(names, function))
            }
            // A single statement can be pasted into a client without changing its delimiter.
            (Dialect::Mysql, None) => format!("{into} VALUES ({values})"),
            (Dialect::Mysql, Some(when)) => {
                format!("{into} SELECT {values} FROM DUAL WHERE {when}")
            }
        };
        let event = format!("AFTER {}", self.event);
        of_rows(log.dialect, &names.of(&self.suffix), &event, self.on, &action)
    }
}

/// Returns how a trigger on PostgreSQL calls a function of the capture.
pub(super) fn call(names: &ObjectNames, function: &str) -> String {
    let function = Dialect::Postgres.table(names.schema(), &names.of(function));
    format!("EXECUTE FUNCTION {function}()")
}

/// Returns a trigger for each row of an event such as `AFTER INSERT`.
pub(super) fn of_rows(
    dialect: Dialect,
    name: &str,
    event: &str,
    on: &TableName,
    action: &str,
) -> Object {
    written(dialect, name, event, on, "FOR EACH ROW ", action)
}

/// Returns a trigger for a statement, on PostgreSQL.
pub(super) fn of_statement(name: &str, event: &str, on: &TableName, action: &str) -> Object {
    written(Dialect::Postgres, name, event, on, "FOR EACH STATEMENT ", action)
}

fn written(
    dialect: Dialect,
    name: &str,
    event: &str,
    on: &TableName,
    each: &str,
    action: &str,
) -> Object {
    let table = on.sql(dialect);
    let quoted = dialect.quote(name);
    let (always, drop) = match dialect {
        // Also for the writes that logical replication applies.
        Dialect::Postgres => (
            format!("; ALTER TABLE {table} ENABLE ALWAYS TRIGGER {quoted}"),
            format!("DROP TRIGGER {quoted} ON {table}"),
        ),
        _ => (String::new(), format!("DROP TRIGGER {quoted}")),
    };
    Object {
        sort: ObjectKind::Trigger,
        name: name.to_owned(),
        schema: on.schema.clone(),
        on: Some(on.clone()),
        create: format!("CREATE TRIGGER {quoted} {event} ON {table} {each}{action}{always}"),
        drop,
    }
}

/// Returns the statement that marks a session's writes as the tool's own, or ends that; none on
/// SQLite, which has no variables.
pub(super) fn own_writes(
    dialect: Dialect,
    owner: &CaptureOwner,
    is_beginning: bool,
) -> Option<String> {
    let tag = owner.tag();
    match (dialect, is_beginning) {
        // It ends with the transaction.
        (Dialect::Postgres, true) => Some(format!("SET LOCAL {OWN_WRITES} = '{tag}'")),
        (Dialect::Mysql, true) => Some(format!("SET {OWN_WRITES_VARIABLE} = '{tag}'")),
        (Dialect::Mysql, false) => Some(format!("SET {OWN_WRITES_VARIABLE} = NULL")),
        _ => None,
    }
}

/// Returns a trigger that can only be dropped and, if it blocks writes, the function that it calls on
/// PostgreSQL: then `tail` is what the names of the block's objects have in common.
pub(super) fn dropped(
    dialect: Dialect,
    name: &str,
    tail: Option<&str>,
    on: &TableName,
) -> Vec<Object> {
    let mut objects = vec![written(dialect, name, "", on, "", "")];
    if let (Dialect::Postgres, Some(tail)) = (dialect, tail) {
        let names = ObjectNames::with_tail(tail, on.schema.clone());
        objects.push(plpgsql(&names, "bar", "", ""));
    }
    objects
}

/// Returns the condition that the old and the new row differ in one of the columns, byte for byte
/// and class for class, whatever the collation.
pub(super) fn differ(dialect: Dialect, columns: &[Column]) -> String {
    let tests: Vec<String> = columns.iter().map(|column| one(dialect, column)).collect();
    tests.join(" OR ")
}

fn one(dialect: Dialect, column: &Column) -> String {
    let name = dialect.quote(&column.name);
    let (old, new) = (format!("OLD.{name}"), format!("NEW.{name}"));
    let binary = |sql: &str| dialect.binary(sql, column.kind);
    match dialect {
        // 1 and 1.0 are equal on SQLite, and are two keys.
        Dialect::Sqlite => {
            format!("typeof({old}) <> typeof({new}) OR {} IS NOT {}", binary(&old), binary(&new))
        }
        Dialect::Postgres => format!("{} IS DISTINCT FROM {}", binary(&old), binary(&new)),
        Dialect::Mysql => format!("NOT ({} <=> {})", binary(&old), binary(&new)),
    }
}

/// The beginning of the error of a blocked write; MySQL allows 128 characters with the move's id.
pub(super) const BLOCK_TEXT: &str =
    "this table is read-only: its sessions were migrated by session-migrate";

/// What stands before the id of the move in the error of a blocked write.
pub(super) const RUN: &str = "(move ";

/// What stands before the event in the name of a trigger that blocks writes.
pub(super) const BAR: &str = "_bar_";

/// The setting, or the variable, by which a session marks its writes as the tool's own.
const OWN_WRITES: &str = "session_migrate.own_writes";
const OWN_WRITES_VARIABLE: &str = "@session_migrate_own_writes";

/// Returns the statement of a trigger that refuses a write.
pub(super) fn refusal(dialect: Dialect, owner: &CaptureOwner) -> String {
    let text = format!("{BLOCK_TEXT} {RUN}{})", owner.run());
    match dialect {
        Dialect::Sqlite => format!("SELECT RAISE(ABORT, '{text}')"),
        Dialect::Postgres => format!("RAISE EXCEPTION '{text}'"),
        Dialect::Mysql => format!("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{text}'"),
    }
}

/// Returns the triggers that block writes, but for those that the tool marks as its own. They fire
/// for each row: a statement that changes no row is let through, such as the cascade from a user
/// without a session.
pub(super) fn write_block(
    dialect: Dialect,
    names: &ObjectNames,
    owner: &CaptureOwner,
    table: &TableName,
) -> Vec<Object> {
    let mut objects = Vec::new();
    let (refusal, tag) = (refusal(dialect, owner), owner.tag());
    let action = match dialect {
        Dialect::Sqlite => format!("BEGIN {refusal}; END"),
        Dialect::Postgres => {
            let body = format!(
                "BEGIN IF TG_OP <> 'TRUNCATE' AND current_setting('{OWN_WRITES}', true) = '{tag}' \
                 THEN IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END IF; {refusal}; END"
            );
            objects.push(plpgsql(names, "bar", "SET search_path = pg_catalog, pg_temp", &body));
            call(names, "bar")
        }
        Dialect::Mysql => {
            format!("IF NOT ({OWN_WRITES_VARIABLE} <=> '{tag}') THEN {refusal}; END IF")
        }
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
