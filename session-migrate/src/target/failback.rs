//! What a failback reads and notes in the target: the changes since the cutover, and the sessions
//! that began there and are rows of the source now.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, Value};
use session_core::event::EventName;
use session_core::{SessionId, Timestamp};

use super::existing::{TargetRow, WRITE_BACK};
use super::outbox::naming;
use super::table::uuid_literal;
use crate::error::MigrateError;
use crate::sql::{Dialect, Query};

/// The reason of a note that a session which began in the target is a row of the source.
const SIGN_IN: &str = "sign_in";

/// The kinds of events after which the source is out of date.
pub(crate) const CHANGES: [EventName; 3] =
    [EventName::Created, EventName::Renewed, EventName::Ended];

/// A position in the events of one kind.
pub(crate) type EventPosition = (i64, Uuid);

/// An event of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangeEvent {
    pub(crate) position: EventPosition,
    pub(crate) session: SessionId,
}

/// Which move a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MovedBy {
    This,
    Another,
    /// The session began in the target.
    None,
}

/// A note that a session which began in the target is a row of the source.
#[derive(Debug, Clone)]
pub(crate) struct StoredNote {
    /// Leads to the row.
    pub(crate) sealed: Vec<u8>,
    pub(crate) user: String,
    pub(crate) provider: String,
}

/// Returns the first events of a kind after a position, by the index of kinds.
pub(crate) async fn events(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    kind: EventName,
    (at, id): EventPosition,
    limit: u32,
) -> Result<Vec<ChangeEvent>, MigrateError> {
    let kind = kind.as_str();
    let sql = format!(
        "SELECT at, id, session_id FROM login_session_event WHERE kind = '{kind}' AND at >= {at} AND \
         (at > {at} OR id > "
    );
    let mut query = Query::new(dialect, sql);
    let id = query.bind(Value::Uuid(Some(id)));
    query.push(&format!("{id}) ORDER BY at, id LIMIT {limit}"));
    let rows = query.rows(connection).await?;
    let event = |row: &sea_orm_migration::sea_orm::QueryResult| {
        Ok::<_, DbErr>(ChangeEvent {
            position: (row.try_get_by_index(0)?, row.try_get_by_index(1)?),
            session: SessionId::from_uuid(row.try_get_by_index(2)?),
        })
    };
    Ok(rows.iter().map(event).collect::<Result<_, _>>()?)
}

/// Returns the first sessions after an id that have changed since the move brought them, or that began
/// in the target since this time. Unlike events they are there however long ago that was.
pub(crate) async fn changed_sessions(
    connection: &impl ConnectionTrait,
    (dialect, this): (Dialect, Uuid),
    since: i64,
    after: Uuid,
    limit: u32,
) -> Result<Vec<SessionId>, MigrateError> {
    let this = uuid_literal(dialect, this);
    let sql = format!(
        "SELECT id FROM login_session WHERE ((moved_by IS NULL AND created_at >= {since}) OR \
         (moved_by = {this} AND (revision > COALESCE(moved_revision, 1) OR ended_at IS NOT NULL))) \
         AND id > "
    );
    let mut query = Query::new(dialect, sql);
    let after = query.bind(Value::Uuid(Some(after)));
    query.push(&format!("{after} ORDER BY id LIMIT {limit}"));
    let rows = query.rows(connection).await?;
    let id = |row: &sea_orm_migration::sea_orm::QueryResult| {
        Ok::<_, DbErr>(SessionId::from_uuid(row.try_get_by_index(0)?))
    };
    Ok(rows.iter().map(id).collect::<Result<_, _>>()?)
}

/// Returns which move each of these sessions belongs to.
pub(crate) async fn moved_by(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    this: Uuid,
    ids: &[SessionId],
) -> Result<BTreeMap<SessionId, MovedBy>, MigrateError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = "SELECT id, moved_by FROM login_session WHERE id IN ";
    let mut found = BTreeMap::new();
    for row in naming(dialect, sql, ids).rows(connection).await? {
        let moved_by = match row.try_get_by_index::<Option<Uuid>>(1)? {
            None => MovedBy::None,
            Some(id) if id == this => MovedBy::This,
            Some(_) => MovedBy::Another,
        };
        found.insert(SessionId::from_uuid(row.try_get_by_index(0)?), moved_by);
    }
    Ok(found)
}

/// Notes that a session which began in the target becomes a row of the source, before it does:
/// `sealed` leads to the row.
pub(crate) async fn note_sign_in(
    connection: &impl ConnectionTrait,
    (dialect, move_id): (Dialect, Uuid),
    row: &TargetRow,
    (sealed, seal_key): (Vec<u8>, &str),
    now: Timestamp,
) -> Result<(), MigrateError> {
    let sql = format!(
        "INSERT INTO session_move_aside (state, reason, set_aside_at, move_id, session_id, user_id, \
         provider, sealed_row, seal_key) VALUES ('{WRITE_BACK}', '{SIGN_IN}', {}, {}, ",
        now.as_millis(),
        uuid_literal(dialect, move_id)
    );
    let mut query = Query::new(dialect, sql);
    let text = |text: &str| Value::String(Some(text.to_owned()));
    let values = [
        Value::Uuid(Some(row.id.as_uuid())),
        text(&row.user),
        text(&row.provider),
        Value::Bytes(Some(sealed)),
        text(seal_key),
    ];
    let placeholders: Vec<String> = values.map(|value| query.bind(value)).into();
    query.push(&placeholders.join(", ")).push(")");
    query.execute(connection).await?;
    Ok(())
}

/// Returns the notes of these sessions, or of all of the move.
pub(crate) async fn sign_in_notes(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    move_id: Uuid,
    ids: Option<&[SessionId]>,
) -> Result<BTreeMap<SessionId, StoredNote>, MigrateError> {
    let sql = format!(
        "SELECT session_id, sealed_row, user_id, provider FROM session_move_aside WHERE move_id = {} \
         AND state = '{WRITE_BACK}' AND reason = '{SIGN_IN}'",
        uuid_literal(dialect, move_id)
    );
    let query = match ids {
        Some([]) => return Ok(BTreeMap::new()),
        Some(ids) => naming(dialect, &format!("{sql} AND session_id IN "), ids),
        None => Query::new(dialect, sql),
    };
    let rows = query.rows(connection).await?;
    let note = |row: &sea_orm_migration::sea_orm::QueryResult| {
        let id = SessionId::from_uuid(row.try_get_by_index(0)?);
        let note = StoredNote {
            sealed: row.try_get_by_index(1)?,
            user: row.try_get_by_index(2)?,
            provider: row.try_get_by_index(3)?,
        };
        Ok::<_, DbErr>((id, note))
    };
    Ok(rows.iter().map(note).collect::<Result<_, _>>()?)
}

/// Removes the notes of all sessions that became rows of the source.
pub(crate) async fn forget_sign_ins(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    move_id: Uuid,
) -> Result<(), MigrateError> {
    let sql = format!(
        "DELETE FROM session_move_aside WHERE move_id = {} AND state = '{WRITE_BACK}' AND \
         reason = '{SIGN_IN}'",
        uuid_literal(dialect, move_id)
    );
    Query::new(dialect, sql).execute(connection).await?;
    Ok(())
}

/// Removes a session from the target, unless it has changed since this revision or a process renews
/// it; then it returns `false`.
pub(crate) async fn hand_over(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    row: &TargetRow,
    is_waiting_over: bool,
) -> Result<bool, MigrateError> {
    let mut query = Query::new(dialect, "DELETE FROM login_session WHERE id = ");
    let id = query.bind(Value::Uuid(Some(row.id.as_uuid())));
    query.push(&format!("{id} AND moved_by IS NULL AND revision = {}", row.revision));
    if !is_waiting_over {
        query.push(" AND lease_owner IS NULL");
    }
    Ok(query.execute(connection).await? > 0)
}
