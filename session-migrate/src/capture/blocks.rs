//! The blocks that stand in a database, whichever move they belong to: found by the catalog alone.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};

use super::objects::{self, Object, ObjectKind, PREFIX, TableName};
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

/// A block on the writes of a table.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) table: String,
    /// The id of the move that it belongs to.
    pub(crate) run: String,
    /// The tag of the block's owner.
    pub(crate) tag: String,
    objects: Vec<Object>,
}

/// Returns every block, also one of which only a part stands.
pub(crate) async fn blocks(connection: &impl ConnectionTrait) -> Result<Vec<Block>, SqlError> {
    let dialect = Dialect::of(connection.get_database_backend());
    let sql = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
    };
    let mut found: BTreeMap<(String, String, String), Block> = BTreeMap::new();
    for row in Query::new(dialect, sql).rows(connection).await? {
        let text = |at: usize| objects::text(dialect, &row, at);
        let (schema, table, name, body) = (text(0)?, text(1)?, text(2)?, text(3)?);
        // `session_move_TAG_NUMBER_DIGEST_bar_EVENT`.
        let Some((tail, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once(BAR))
        else {
            continue;
        };
        let tag = tail.split('_').next().unwrap_or_default().to_owned();
        let schema = Some(schema).filter(|schema| !schema.is_empty());
        let on = TableName { schema, name: table.clone() };
        let key = (on.schema.clone().unwrap_or_default(), table.clone(), tail.to_owned());
        let block = found.entry(key).or_insert_with(|| Block {
            table,
            run: run(&body).to_owned(),
            tag,
            objects: Vec::new(),
        });
        block.objects.extend(dropped(dialect, &name, tail, &on));
    }
    Ok(found.into_values().collect())
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
        // Each once, and a function after the triggers that call it.
        let place = |object: &Object| (object.sort != ObjectKind::Trigger, object.name.clone());
        let objects: BTreeMap<_, &Object> =
            self.objects.iter().map(|object| (place(object), object)).collect();
        let objects = objects.into_values().collect();
        let dialect = Dialect::of(connection.get_database_backend());
        SchemaChange { dialect, action: Action::Drop, objects }.run(connection, budget).await
    }
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn the_move_is_read_from_the_text() {
        assert_eq!(run("RAISE(ABORT, 'migrated by it (move 0f-1)')"), "0f-1");
        assert_eq!(run("another text"), "");
    }
}
