//! What captures have left in a database, whichever moves they belong to: found by the catalog alone.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};

use super::objects::{self, InstalledObjects, Object, ObjectKind, PREFIX, TableName};
use super::owner::CaptureOwner;
use super::retry_budget::RetryBudget;
use super::schema_change::{Action, SchemaChange};
use super::trigger::{BAR, RUN, dropped};
use crate::source::SourceError;
use crate::sql::{Dialect, Query, SqlError};

const SQLITE: &str = "SELECT '', tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'";

const POSTGRES: &str = "SELECT n.nspname::text, c.relname::text, t.tgname::text, p.prosrc::text \
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid \
    WHERE NOT t.tgisinternal";

const MYSQL: &str = "SELECT CAST('' AS CHAR), CAST(EVENT_OBJECT_TABLE AS CHAR), \
    CAST(TRIGGER_NAME AS CHAR), CAST(ACTION_STATEMENT AS CHAR) \
    FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()";

/// What the name of a change log has after the prefix.
const LOG: &str = "change_";

/// A block on the writes of a table, also one of which only a part stands.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) table: String,
    /// The id of the move that it belongs to.
    pub(crate) run: String,
    /// The tag of the block's owner.
    pub(crate) tag: String,
    objects: Vec<Object>,
}

/// The log of a capture and what fills it, or what is left of them and of a block whose table was
/// dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChangeLog {
    /// The tag of the log's owner.
    pub(crate) tag: String,
    table: Option<TableName>,
    objects: Vec<Object>,
}

/// Everything that captures have left.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    pub(crate) blocks: Vec<Block>,
    pub(crate) logs: Vec<ChangeLog>,
}

/// Returns what captures have left, by reading the catalog.
pub(crate) async fn remains(connection: &impl ConnectionTrait) -> Result<Remains, SqlError> {
    let dialect = Dialect::of(connection.get_database_backend());
    let sql = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
    };
    let mut found = Found { dialect, blocks: BTreeMap::new(), logs: BTreeMap::new() };
    for row in Query::new(dialect, sql).rows(connection).await? {
        let text = |at: usize| objects::text(dialect, &row, at);
        found.add_trigger((text(0)?, text(1)?), &text(2)?, &text(3)?);
    }
    for (kind, schema, name) in InstalledObjects::of(dialect, connection).await?.iter() {
        found.add(*kind, schema, name);
    }
    Ok(Remains {
        blocks: found.blocks.into_values().collect(),
        logs: found.logs.into_values().collect(),
    })
}

/// Returns every block.
pub(crate) async fn blocks(connection: &impl ConnectionTrait) -> Result<Vec<Block>, SqlError> {
    Ok(remains(connection).await?.blocks)
}

/// Removes all that captures of this owner have left, also of tables that were dropped. Nothing is not
/// an error.
pub(crate) async fn remove_remains(
    connection: &DatabaseConnection,
    owner: &CaptureOwner,
    budget: &RetryBudget,
) -> Result<(), SourceError> {
    let remains = remains(connection).await?;
    for block in remains.blocks.iter().filter(|block| block.tag == owner.tag()) {
        block.lift(connection, budget).await?;
    }
    for log in remains.logs.iter().filter(|log| log.tag == owner.tag()) {
        log.remove(connection, budget).await?;
    }
    Ok(())
}

/// The objects by what the names of a capture's objects have in common.
#[derive(Debug)]
struct Found {
    dialect: Dialect,
    blocks: BTreeMap<(String, String, String), Block>,
    logs: BTreeMap<(String, String), ChangeLog>,
}

impl Found {
    fn add_trigger(&mut self, (schema, table): (String, String), name: &str, body: &str) {
        let Some((tail, what)) = parts(name) else { return };
        let tag = tag(&tail);
        let on = TableName {
            schema: Some(schema.clone()).filter(|it| !it.is_empty()),
            name: table.clone(),
        };
        let is_block = format!("_{what}").starts_with(BAR);
        let objects = dropped(self.dialect, name, is_block.then_some(tail.as_str()), &on);
        if is_block {
            let block = self.blocks.entry((schema, table.clone(), tail)).or_insert_with(|| Block {
                table,
                run: run(body).to_owned(),
                tag,
                objects: Vec::new(),
            });
            block.objects.extend(objects);
        } else {
            self.log(schema, tail).objects.extend(objects);
        }
    }

    /// Adds a log or a function.
    fn add(&mut self, kind: ObjectKind, schema: &str, name: &str) {
        let rest = name.strip_prefix(PREFIX).unwrap_or_default();
        let place = TableName {
            schema: Some(schema.to_owned()).filter(|it| !it.is_empty()),
            name: name.to_owned(),
        };
        match (kind, rest.strip_prefix(LOG), parts(name)) {
            (ObjectKind::Table, Some(tail), _) => {
                let log = self.log(schema.to_owned(), tail.to_owned());
                log.table = Some(place);
            }
            // A block drops its function; one whose table was dropped has no trigger left.
            (ObjectKind::Function, _, Some((tail, what)))
                if what != "bar" || !self.has_block(schema, &tail) =>
            {
                let function = Object::function(&place, self.dialect);
                self.log(schema.to_owned(), tail).objects.push(function);
            }
            _ => {}
        }
    }

    fn has_block(&self, schema: &str, tail: &str) -> bool {
        self.blocks.keys().any(|(of, _, known)| of == schema && known == tail)
    }

    fn log(&mut self, schema: String, tail: String) -> &mut ChangeLog {
        let tag = tag(&tail);
        self.logs.entry((schema, tail)).or_insert_with(|| ChangeLog { tag, ..ChangeLog::default() })
    }
}

/// Splits `session_move_TAG_NUMBER_DIGEST_WHAT` into its tail (the tag to the digest) and the rest.
fn parts(name: &str) -> Option<(String, &str)> {
    let rest = name.strip_prefix(PREFIX)?;
    let mut parts = rest.splitn(4, '_');
    let [tag, number, digest] = [parts.next()?, parts.next()?, parts.next()?];
    let is_hex = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_tail = is_hex(tag) && is_hex(digest) && number.bytes().all(|byte| byte.is_ascii_digit());
    is_tail.then_some((format!("{tag}_{number}_{digest}"), parts.next()?))
}

fn tag(tail: &str) -> String {
    tail.split('_').next().unwrap_or_default().to_owned()
}

/// Returns the id of the move in a trigger's text.
fn run(body: &str) -> &str {
    let rest = body.split_once(RUN).map_or("", |(_, rest)| rest);
    rest.split(')').next().unwrap_or_default()
}

impl Block {
    /// Lifts the block. What is gone already is not an error.
    pub(crate) async fn lift(
        &self,
        connection: &DatabaseConnection,
        budget: &RetryBudget,
    ) -> Result<(), SourceError> {
        drop_all(self.objects.iter().collect(), connection, budget).await
    }
}

impl ChangeLog {
    /// Returns how many entries the log holds.
    pub(crate) async fn count(&self, connection: &impl ConnectionTrait) -> Result<u64, SqlError> {
        let dialect = Dialect::of(connection.get_database_backend());
        let Some(table) = &self.table else { return Ok(0) };
        let sql = format!("SELECT COUNT(*) FROM {}", table.sql(dialect));
        Query::new(dialect, sql).number(connection).await
    }

    /// Drops the log, and what fills it. What is gone already is not an error.
    pub(crate) async fn remove(
        &self,
        connection: &DatabaseConnection,
        budget: &RetryBudget,
    ) -> Result<(), SourceError> {
        let dialect = Dialect::of(connection.get_database_backend());
        let table = self.table.as_ref().map(|table| Object::table(table, dialect));
        drop_all(self.objects.iter().chain(&table).collect(), connection, budget).await
    }
}

/// Drops objects, each once: triggers, then the functions that they call, then the log.
async fn drop_all(
    objects: Vec<&Object>,
    connection: &DatabaseConnection,
    budget: &RetryBudget,
) -> Result<(), SourceError> {
    let dialect = Dialect::of(connection.get_database_backend());
    let mut known = BTreeSet::new();
    let mut objects = objects;
    objects.retain(|object| known.insert((object.sort, object.name.clone())));
    objects.sort_by_key(|object| std::cmp::Reverse(object.sort));
    SchemaChange { dialect, action: Action::Drop, objects }.run(connection, budget).await
}

#[cfg(test)]
mod tests {
    use super::{parts, run};

    #[test]
    fn the_move_is_read_from_the_text() {
        assert_eq!(run("RAISE(ABORT, 'migrated by it (move 0f-1)')"), "0f-1");
        assert_eq!(run("another text"), "");
    }

    #[test]
    fn a_name_is_taken_apart() {
        let tail = "0a1b2c3d_12_00ff00ff";
        assert_eq!(
            parts(&format!("session_move_{tail}_r0_c1_delete")),
            Some((tail.to_owned(), "r0_c1_delete"))
        );
        assert_eq!(parts(&format!("session_move_{tail}_bar")), Some((tail.to_owned(), "bar")));
        assert_eq!(parts("session_move_aside_state"), None);
    }
}
