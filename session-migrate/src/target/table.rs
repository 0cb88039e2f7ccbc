//! Reading and writing the target's rows of one move.

use std::collections::HashMap;

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use session_core::{SessionId, Timestamp};

use super::insert::Into;
use super::sealed::{self, Content, LIVE_COLUMNS, Ready};
use super::standing::{Standing, TargetRow};
use crate::error::MigrateError;
use crate::sql::{Dialect, Query};

/// How many ids one statement names.
const CHUNK: usize = 500;

/// The label of a device that nobody has named yet.
const DEVICE: &str = "'Unknown device'";

/// The tables of the target, as far as one move has to do with them.
#[derive(Debug, Clone)]
pub(crate) struct TargetTable {
    dialect: Dialect,
    live: Into,
    aside: Into,
}

impl TargetTable {
    /// The tables for a move whose rows are sealed with this key.
    pub(crate) fn new(dialect: Dialect, move_id: Uuid, seal_key: &str) -> Self {
        let moved_by = uuid_literal(dialect, move_id);
        // A key's id has no other characters than `A-Za-z0-9._-`.
        let seal_key = format!("'{seal_key}'");
        let live = Into {
            table: "login_session",
            columns: &LIVE_COLUMNS,
            constants: vec![
                ("device", DEVICE.to_owned()),
                ("origin", "'imported'".to_owned()),
                ("revision", "1".to_owned()),
                ("seal_key", seal_key.clone()),
                ("moved_by", moved_by.clone()),
            ],
        };
        let aside = Into {
            table: "session_move_aside",
            columns: &["session_id", "state", "reason", "user_id", "provider", "sealed_row"],
            constants: vec![("seal_key", seal_key), ("move_id", moved_by)],
        };
        Self { dialect, live, aside }
    }

    /// Writes rows that are not there yet.
    pub(crate) async fn insert<'a>(
        &self,
        connection: &impl ConnectionTrait,
        rows: impl Iterator<Item = &'a Ready>,
        now: Timestamp,
    ) -> Result<(), MigrateError> {
        let (mut live, mut aside) = (Vec::new(), Vec::new());
        for row in rows {
            match &row.content {
                Content::Live(session, sealed) => live.push(sealed::live_values(session, sealed)),
                Content::Aside { .. } => aside.push(aside_values(row)),
            }
        }
        self.live.insert(connection, self.dialect, live).await?;
        let mut into = self.aside.clone();
        into.constants.push(("set_aside_at", now.as_millis().to_string()));
        into.insert(connection, self.dialect, aside).await
    }

    /// What stands for these ids.
    pub(crate) async fn standings(
        &self,
        connection: &impl ConnectionTrait,
        ids: &[SessionId],
    ) -> Result<HashMap<SessionId, Standing>, MigrateError> {
        let mut found = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(CHUNK) {
            let columns = TargetRow::COLUMNS;
            let sql = format!("SELECT {columns} FROM login_session WHERE id IN ");
            for row in self.named(&sql, ids).rows(connection).await? {
                let row = TargetRow::read(&row)?;
                found.insert(row.id, Standing::Live(Box::new(row)));
            }
            let sql = "SELECT session_id, state, user_id, provider, sealed_row FROM session_move_aside \
                WHERE session_id IN ";
            for row in self.named(sql, ids).rows(connection).await? {
                let standing = aside(&row)?;
                found.insert(standing.id(), standing);
            }
        }
        Ok(found)
    }

    /// Takes rows of this move away, wherever they stand.
    pub(crate) async fn remove(
        &self,
        connection: &impl ConnectionTrait,
        ids: &[SessionId],
    ) -> Result<(), MigrateError> {
        for ids in ids.chunks(CHUNK) {
            for sql in [
                "DELETE FROM login_session WHERE id IN ",
                "DELETE FROM session_move_aside WHERE session_id IN ",
            ] {
                let done = self.named(sql, ids).execute(connection).await;
                done?;
            }
        }
        Ok(())
    }

    /// Gives a live row the tokens and the names that its source has now. A secret that a device
    /// has, its last use and its timeouts stay.
    pub(crate) async fn update(
        &self,
        connection: &impl ConnectionTrait,
        row: &Ready,
    ) -> Result<(), MigrateError> {
        let Content::Live(session, sealed) = &row.content else { return Ok(()) };
        let values = sealed::live_values(session, sealed);
        let mut query =
            Query::new(self.dialect, "UPDATE login_session SET revision = revision + 1");
        for (column, value) in LIVE_COLUMNS.into_iter().zip(values) {
            if !KEPT.contains(&column) {
                let placeholder = query.bind(value);
                query.push(&format!(", {column} = {placeholder}"));
            }
        }
        query.push(&format!(", seal_key = {}", self.live.constant("seal_key")));
        match session.is_age_known {
            true => {
                let created_at = Value::BigInt(Some(session.session.created_at.as_millis()));
                let created_at = query.bind(created_at);
                query.push(&format!(", created_at = {created_at}"));
            }
            false => {
                query.push(", created_at = timeouts_from");
            }
        }
        match (session.is_orphan, &session.digest) {
            (true, _) => {
                query.push(", digest = NULL, previous_digest = NULL, rotated_at = NULL");
            }
            (false, None) => {}
            (false, Some(digest)) => {
                let digest = query.bind(Value::Bytes(Some(digest.as_bytes().to_vec())));
                // No cookie is replaced before the switch, so it is the source's that counts.
                query.push(&format!(", digest = {digest}"));
            }
        }
        let id = query.bind(Value::Uuid(Some(row.id.as_uuid())));
        query.push(&format!(" WHERE id = {id} AND ended_at IS NULL"));
        query.execute(connection).await?;
        Ok(())
    }

    fn named(&self, sql: &str, ids: &[SessionId]) -> Query {
        let mut query = Query::new(self.dialect, sql);
        let placeholders: Vec<String> =
            ids.iter().map(|id| query.bind(Value::Uuid(Some(id.as_uuid())))).collect();
        query.push(&format!("({})", placeholders.join(", ")));
        query
    }
}

/// Columns that an update leaves alone, or does not simply overwrite.
const KEPT: [&str; 5] = ["id", "digest", "created_at", "last_seen_at", "timeouts_from"];

fn aside(row: &QueryResult) -> Result<Standing, DbErr> {
    let id: Uuid = row.try_get_by_index(0)?;
    let user: Option<String> = row.try_get_by_index(2)?;
    let provider: Option<String> = row.try_get_by_index(3)?;
    let (state, pair) = (row.try_get_by_index(1)?, user.zip(provider));
    let sealed = row.try_get_by_index(4)?;
    Ok(Standing::Aside { id: SessionId::from_uuid(id), state, pair, sealed })
}

fn aside_values(row: &Ready) -> Vec<Value> {
    let Content::Aside { reason, user, provider, sealed } = &row.content else {
        return Vec::new();
    };
    vec![
        Value::Uuid(Some(row.id.as_uuid())),
        Value::String(Some(reason.state().to_owned())),
        Value::String(reason.detail().map(str::to_owned)),
        Value::String(user.clone()),
        Value::String(provider.clone()),
        Value::Bytes(Some(sealed.clone())),
    ]
}

/// A UUID as SQL: bytes where the database has no type for it.
pub(crate) fn uuid_literal(dialect: Dialect, uuid: Uuid) -> String {
    match dialect {
        Dialect::Postgres => format!("'{}'::uuid", uuid.hyphenated()),
        _ => format!("X'{}'", uuid.simple()),
    }
}

/// The statements that write rows, with the names of their values in the place of these.
pub(crate) fn insert_template(dialect: Dialect, move_id: Uuid) -> Vec<String> {
    let table = TargetTable::new(dialect, move_id, "KEY");
    [&table.live, &table.aside].map(|into| into.template(dialect)).into()
}
