//! The log with the triggers and functions that fill it.

use super::log::{Entry, Log};
use super::objects::{Object, ObjectNames, TableName};
use super::trigger::differ;
use super::trigger::{Trigger, call, function, of_rows, of_statement};
use crate::sql::{Column, Dialect, Table};

/// A table whose writes are captured.
#[derive(Debug)]
pub(super) struct CapturedTable<'a> {
    /// Tells its triggers apart from those of other tables.
    pub(super) prefix: String,
    pub(super) table: &'a Table,
    pub(super) entry: Entry,
    /// The columns of an entry: the key, or the column that is referred to.
    pub(super) columns: Vec<Column>,
    /// The columns whose change counts. Others, such as a user's last use, may change at every
    /// request without changing a row of the source.
    pub(super) read: Vec<Column>,
}

/// Returns the log first, then the functions and triggers that fill it.
pub(super) fn objects(log: &Log, names: &ObjectNames, tables: &[CapturedTable<'_>]) -> Vec<Object> {
    let mut objects = vec![log.object()];
    let is_postgres = log.dialect == Dialect::Postgres;
    if is_postgres {
        objects.push(function(log, names, "all", Entry::All, &[], "NEW"));
        for table in tables {
            for row in ["NEW", "OLD"] {
                let name = table.function(row);
                objects.push(function(log, names, &name, table.entry, &table.columns, row));
            }
        }
    }
    for table in tables {
        objects.extend(table.triggers(log, names));
    }
    objects
}

impl CapturedTable<'_> {
    fn function(&self, row: &str) -> String {
        format!("{}{}", self.prefix, row.to_lowercase())
    }

    fn triggers(&self, log: &Log, names: &ObjectNames) -> Vec<Object> {
        let on = TableName::of(log.dialect, self.table);
        let is_read = Some(differ(log.dialect, &self.read));
        let is_rekeyed = Some(differ(log.dialect, &self.columns));
        let events = [
            ("insert", "INSERT", None, "NEW"),
            ("update", "UPDATE", is_read, "NEW"),
            // The old key is captured too where the update changed it.
            ("rekey", "UPDATE", is_rekeyed, "OLD"),
            ("delete", "DELETE", None, "OLD"),
        ];
        let mut objects: Vec<Object> = events
            .into_iter()
            .map(|(suffix, event, when, row)| {
                let trigger = Trigger {
                    suffix: format!("{}{suffix}", self.prefix),
                    on: &on,
                    event,
                    when,
                    entry: self.entry,
                    columns: &self.columns,
                    row,
                };
                trigger.object(log, names, &self.function(row))
            })
            .collect();
        match log.dialect {
            Dialect::Postgres => {
                let name = names.of(&format!("{}truncate", self.prefix));
                objects.push(of_statement(&name, "AFTER TRUNCATE", &on, &call(names, "all")));
            }
            Dialect::Sqlite => objects.extend(self.replaced(log, names, &on)),
            Dialect::Mysql => {}
        }
        objects
    }

    /// Returns triggers that capture the rows that `INSERT OR REPLACE` deletes: SQLite fires no
    /// delete trigger for them unless the connection has `recursive_triggers`. The row of the same
    /// key has its entry already.
    fn replaced(&self, log: &Log, names: &ObjectNames, on: &TableName) -> Vec<Object> {
        let dialect = log.dialect;
        let entry: Vec<&String> = self.columns.iter().map(|column| &column.name).collect();
        let is_other = |index: &&Vec<String>| !index.iter().eq(entry.iter().copied());
        let mut objects = Vec::new();
        for (at, index) in self.table.unique.iter().filter(is_other).enumerate() {
            let columns: Vec<Column> =
                index.iter().filter_map(|name| self.table.column(name).cloned()).collect();
            let same = |column: &Column| {
                let name = dialect.quote(&column.name);
                format!("replaced.{name} = NEW.{name}")
            };
            let same: Vec<String> = columns.iter().map(same).collect();
            let (into, values) = log.insert(self.entry, &self.columns, "replaced");
            let write = format!(
                "BEGIN {into} SELECT {values} FROM {} AS replaced WHERE {}; END",
                on.sql(dialect),
                same.join(" AND ")
            );
            let when = format!("WHEN {} {write}", differ(dialect, &columns));
            for (event, action) in [("insert", &write), ("update", &when)] {
                let name = names.of(&format!("{}replace_{at}_{event}", self.prefix));
                let event = format!("BEFORE {}", event.to_uppercase());
                objects.push(of_rows(dialect, &name, &event, on, action));
            }
        }
        objects
    }
}
