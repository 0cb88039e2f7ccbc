//! What foreign keys do without firing a trigger of their table, on MySQL and MariaDB: triggers of
//! the ancestors log and block it.

use super::log::Log;
use super::log_triggers::CapturedTable;
use super::objects::{Object, ObjectNames, TableName};
use super::owner::CaptureOwner;
use super::trigger::{BAR, of_rows, refusal};
use crate::sql::{CascadingKey, Dialect, KeyAction};

/// A write of an ancestor that changes rows of a table.
#[derive(Debug)]
struct Cascade<'a> {
    /// The keys that lead to the ancestor, the table's own first.
    path: Vec<&'a CascadingKey>,
    event: AncestorEvent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AncestorEvent {
    Delete,
    Update,
}

/// What happens to the rows of a table.
#[derive(Debug, Clone, Copy)]
enum Effect<'a> {
    Deleted,
    /// These columns change; `None` stands for any.
    Changed(Option<&'a [String]>),
}

impl Effect<'_> {
    /// Returns whether a deletion, and whether an update of the parent, can be the cause.
    fn causes(self, key: &CascadingKey) -> [(AncestorEvent, bool); 2] {
        let has = |columns: &[String]| columns.iter().any(|name| key.columns.contains(name));
        let is_changed = match self {
            Effect::Deleted => false,
            Effect::Changed(columns) => columns.is_none_or(has),
        };
        let deletes = match key.on_delete {
            KeyAction::Refuse => false,
            KeyAction::Cascade => matches!(self, Effect::Deleted),
            KeyAction::SetNull => is_changed,
        };
        let updates = is_changed && key.on_update != KeyAction::Refuse;
        [(AncestorEvent::Delete, deletes), (AncestorEvent::Update, updates)]
    }
}

/// Returns the writes of all ancestors that change rows of a table.
fn cascades<'a>(keys: &'a [CascadingKey], table: &str) -> Vec<Cascade<'a>> {
    let mut found = Vec::new();
    for effect in [Effect::Deleted, Effect::Changed(None)] {
        follow(keys, table, effect, &[], &mut found);
    }
    found
}

fn follow<'a>(
    keys: &'a [CascadingKey],
    table: &str,
    effect: Effect<'_>,
    path: &[&'a CascadingKey],
    found: &mut Vec<Cascade<'a>>,
) {
    let is_new = |key: &&CascadingKey| {
        key.table == table && !path.iter().any(|known| known.table == key.parent)
    };
    for key in keys.iter().filter(is_new).filter(|key| key.parent != key.table) {
        for (event, _) in effect.causes(key).into_iter().filter(|(_, is_cause)| *is_cause) {
            let path = [path, &[key]].concat();
            let effect = match event {
                AncestorEvent::Delete => Effect::Deleted,
                AncestorEvent::Update => Effect::Changed(Some(&key.parent_columns)),
            };
            follow(keys, &key.parent, effect, &path, found);
            found.push(Cascade { path, event });
        }
    }
}

impl Cascade<'_> {
    fn ancestor(&self) -> TableName {
        let name = self.path.last().map_or_else(String::new, |key| key.parent.clone());
        TableName { schema: None, name }
    }

    /// Returns ` FROM ... WHERE ...`: the table's rows, as `changed`, that a row of the ancestor leads
    /// to. They are read as they are now, whatever the snapshot of the transaction.
    fn rows(&self, row: &str) -> String {
        let quote = |name: &str| Dialect::Mysql.quote(name);
        let alias = |at: usize| if at == 0 { "changed".to_owned() } else { format!("via_{at}") };
        let (mut from, mut condition) = (String::new(), String::new());
        for (at, key) in self.path.iter().enumerate() {
            let table = format!("{} AS {}", quote(&key.table), alias(at));
            match at {
                0 => from.push_str(&format!(" FROM {table}")),
                _ => from.push_str(&format!(" JOIN {table} ON {condition}")),
            }
            let parent = if at + 1 == self.path.len() { row.to_owned() } else { alias(at + 1) };
            let pairs = key.columns.iter().zip(&key.parent_columns);
            let same = |(column, of): (&String, &String)| {
                format!("{}.{} = {parent}.{}", alias(at), quote(column), quote(of))
            };
            condition = pairs.map(same).collect::<Vec<_>>().join(" AND ");
        }
        format!("{from} WHERE {condition}")
    }

    /// Returns the condition that an update changes a column that is referred to, byte for byte.
    fn is_rekeyed(&self) -> Option<String> {
        let key = self.path.last().filter(|_| self.event == AncestorEvent::Update)?;
        let differs = |name: &String| {
            let [old, new] = ["OLD", "NEW"]
                .map(|row| format!("CAST({row}.{} AS BINARY)", Dialect::Mysql.quote(name)));
            format!("NOT ({old} <=> {new})")
        };
        Some(key.parent_columns.iter().map(differs).collect::<Vec<_>>().join(" OR "))
    }
}

/// Returns triggers of the ancestors that log what cascades into a captured table: the rows before
/// the change and, because it can change their keys, after an update once more.
pub(super) fn logged(
    log: &Log,
    names: &ObjectNames,
    table: &CapturedTable<'_>,
    keys: &[CascadingKey],
) -> Vec<Object> {
    let mut objects = Vec::new();
    for (at, cascade) in cascades(keys, &table.table.name).iter().enumerate() {
        let (into, values) = log.insert(table.entry, &table.columns, "changed");
        let when = cascade.is_rekeyed().map(|when| format!(" AND ({when})")).unwrap_or_default();
        let events: &[(&str, &str, &str)] = match cascade.event {
            AncestorEvent::Delete => &[("delete", "BEFORE DELETE", "OLD")],
            AncestorEvent::Update => {
                &[("update", "BEFORE UPDATE", "OLD"), ("rekey", "AFTER UPDATE", "NEW")]
            }
        };
        for (suffix, event, row) in events {
            let rows = cascade.rows(row);
            let action = format!("{into} SELECT {values}{rows}{when} LOCK IN SHARE MODE");
            let name = names.of(&format!("{}c{at}_{suffix}", table.prefix));
            objects.push(of_rows(Dialect::Mysql, &name, event, &cascade.ancestor(), &action));
        }
    }
    objects
}

/// Returns triggers of the ancestors that block what cascades into a table. An ancestor without a row
/// there is let through.
pub(super) fn blocked(
    names: &ObjectNames,
    owner: &CaptureOwner,
    table: &TableName,
    keys: &[CascadingKey],
) -> Vec<Object> {
    let block = |(at, cascade): (usize, &Cascade<'_>)| {
        let when = cascade.is_rekeyed().map(|when| format!("({when}) AND ")).unwrap_or_default();
        let rows = cascade.rows("OLD");
        let refusal = refusal(Dialect::Mysql, owner);
        let action =
            format!("IF {when}EXISTS (SELECT 1{rows} LOCK IN SHARE MODE) THEN {refusal}; END IF");
        let (suffix, event) = match cascade.event {
            AncestorEvent::Delete => ("delete", "BEFORE DELETE"),
            AncestorEvent::Update => ("update", "BEFORE UPDATE"),
        };
        let name = names.of(&format!("{}c{at}_{suffix}", BAR.trim_start_matches('_')));
        of_rows(Dialect::Mysql, &name, event, &cascade.ancestor(), &action)
    };
    cascades(keys, &table.name).iter().enumerate().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::{AncestorEvent, cascades};
    use crate::sql::{CascadingKey, KeyAction};

    fn key(table: &str, parent: &str, on_delete: KeyAction, on_update: KeyAction) -> CascadingKey {
        CascadingKey {
            table: table.to_owned(),
            columns: vec![format!("{parent}_id")],
            parent: parent.to_owned(),
            parent_columns: vec!["id".to_owned()],
            on_delete,
            on_update,
        }
    }

    #[test]
    fn every_ancestor_is_found_once() {
        use KeyAction::{Cascade, Refuse, SetNull};
        let keys = [
            key("token", "account", Cascade, Refuse),
            key("account", "user", Cascade, Cascade),
            key("user", "tenant", SetNull, Refuse),
            // A tree in one table, and a circle.
            key("account", "account", Cascade, Cascade),
            key("account", "token", Cascade, Refuse),
        ];
        let found = cascades(&keys, "token");
        let found: Vec<_> =
            found.iter().map(|of| (of.ancestor().name, of.event, of.path.len())).collect();
        let expected = [("user", 2), ("account", 1)];
        // A user's update changes no token, and neither does a tenant's end.
        let expected = expected.map(|(name, keys)| (name.to_owned(), AncestorEvent::Delete, keys));
        assert_eq!(found, expected);
        let rows = cascades(&keys, "token").first().map(|of| of.rows("OLD"));
        let expected = " FROM `token` AS changed JOIN `account` AS via_1 ON \
            changed.`account_id` = via_1.`id` WHERE via_1.`user_id` = OLD.`id`";
        assert_eq!(rows.as_deref(), Some(expected));
    }
}
