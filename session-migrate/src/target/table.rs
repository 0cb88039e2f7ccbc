//! Reads and writes the rows of one move in the target.

use std::collections::HashMap;

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{ConnectionTrait, IdenStatic as _, Value};
use session_core::store::Partition;
use session_core::store::sea_orm::entity::session::Column;
use session_core::token::{Sealed, SealedTokens};
use session_core::{SessionId, Timestamp};

use super::existing::{ExistingRow, QuarantineEntry, TargetRow, WRITE_BACK};
use super::insert::BulkInsert;
use super::row_plan::{Disposition, LiveRow, QuarantinedRow};
use super::sealed::SealedRow;
use crate::error::MigrateError;
use crate::sql::{Dialect, Query};

/// How many ids one statement names.
const CHUNK: usize = 500;

/// The label of a device that has no name yet.
const DEVICE: &str = "'Unknown device'";

/// The columns of `login_session` that differ from row to row, in the order of [`live_values`].
const LIVE_COLUMNS: [Column; 16] = [
    Column::Id,
    Column::Digest,
    Column::UserId,
    Column::Provider,
    Column::PartitionKey,
    Column::Admission,
    Column::Issuer,
    Column::Subject,
    Column::Sid,
    Column::Account,
    Column::CreatedAt,
    Column::LastSeenAt,
    Column::TimeoutsFrom,
    Column::RenewedAt,
    Column::SealedTokens,
    Column::SealedRefreshToken,
];

/// The columns of `session_move_aside` that differ from row to row, in the order of
/// [`quarantine_values`].
const QUARANTINE_COLUMNS: [&str; 6] =
    ["session_id", "state", "reason", "user_id", "provider", "sealed_row"];

/// The target's tables, as far as one move needs them.
#[derive(Debug, Clone)]
pub(crate) struct TargetTable {
    dialect: Dialect,
    /// The id of the sealing key, as SQL.
    seal_key: String,
    /// The id of the move, as SQL: what another move has brought is never written.
    moved_by: String,
    live: BulkInsert,
    quarantine: BulkInsert,
}

impl TargetTable {
    /// Creates the tables of a move whose rows are sealed with this key.
    pub(crate) fn new(dialect: Dialect, move_id: Uuid, seal_key: &str) -> Self {
        let moved_by = uuid_literal(dialect, move_id);
        // The id of a key has no other characters than `A-Za-z0-9._-`.
        let seal_key = format!("'{seal_key}'");
        let live = BulkInsert {
            table: "login_session",
            columns: LIVE_COLUMNS.iter().map(Column::as_str).collect(),
            constants: vec![
                (Column::Device.as_str(), DEVICE.to_owned()),
                (Column::Origin.as_str(), "'imported'".to_owned()),
                (Column::Revision.as_str(), "1".to_owned()),
                (Column::SealKey.as_str(), seal_key.clone()),
                (Column::MovedBy.as_str(), moved_by.clone()),
                (Column::MovedRevision.as_str(), "1".to_owned()),
            ],
        };
        let quarantine = BulkInsert {
            table: "session_move_aside",
            columns: QUARANTINE_COLUMNS.to_vec(),
            constants: vec![("seal_key", seal_key.clone()), ("move_id", moved_by.clone())],
        };
        Self { dialect, seal_key, moved_by, live, quarantine }
    }

    /// Inserts rows that the target does not hold yet.
    pub(crate) async fn insert<'a>(
        &self,
        connection: &impl ConnectionTrait,
        rows: impl Iterator<Item = &'a SealedRow>,
        now: Timestamp,
    ) -> Result<(), MigrateError> {
        let (mut live, mut quarantined) = (Vec::new(), Vec::new());
        for row in rows {
            match &row.disposition {
                Disposition::Live(session) => live.push(live_values(session, &row.sealed)),
                Disposition::Quarantine(of) => quarantined.push(quarantine_values(row, of)),
            }
        }
        self.live.insert(connection, self.dialect, live).await?;
        let mut quarantine = self.quarantine.clone();
        quarantine.constants.push(("set_aside_at", now.as_millis().to_string()));
        quarantine.insert(connection, self.dialect, quarantined).await
    }

    /// Returns whether the target holds one of these rows in the other table than they belong to.
    pub(crate) async fn holds_elsewhere<'a>(
        &self,
        connection: &impl ConnectionTrait,
        rows: impl Iterator<Item = &'a SealedRow>,
    ) -> Result<bool, MigrateError> {
        let (live, quarantined): (Vec<_>, Vec<_>) =
            rows.partition(|row| matches!(row.disposition, Disposition::Live(_)));
        let aside = format!(
            "SELECT COUNT(*) FROM session_move_aside WHERE state <> '{WRITE_BACK}' AND session_id IN "
        );
        let in_use = "SELECT COUNT(*) FROM login_session WHERE id IN ".to_owned();
        for (sql, rows) in [(aside, live), (in_use, quarantined)] {
            let ids: Vec<SessionId> = rows.iter().map(|row| row.id).collect();
            for ids in ids.chunks(CHUNK) {
                if self.naming(&sql, ids).number(connection).await? > 0 {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Returns the rows that the target holds under these ids.
    pub(crate) async fn existing_rows(
        &self,
        connection: &impl ConnectionTrait,
        ids: &[SessionId],
    ) -> Result<HashMap<SessionId, ExistingRow>, MigrateError> {
        let live = format!("SELECT {} FROM login_session WHERE id IN ", TargetRow::column_list());
        let quarantined = format!(
            "SELECT {} FROM session_move_aside WHERE state <> '{WRITE_BACK}' AND session_id IN ",
            QuarantineEntry::COLUMNS
        );
        let mut found = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(CHUNK) {
            let rows = self.naming(&live, ids).rows(connection).await;
            for row in rows? {
                let row = TargetRow::read(&row)?;
                found.insert(row.id, ExistingRow::Live(Box::new(row)));
            }
            let rows = self.naming(&quarantined, ids).rows(connection).await;
            for row in rows? {
                let entry = QuarantineEntry::read(&row)?;
                // A row in both tables is in use: it is the live one that must be right.
                found.entry(entry.id).or_insert_with(|| ExistingRow::Quarantined(Box::new(entry)));
            }
        }
        Ok(found)
    }

    /// Notes rows of the source, sealed as they are stored, before a rollback writes into them.
    pub(crate) async fn note_write_back(
        &self,
        connection: &impl ConnectionTrait,
        rows: Vec<(SessionId, SealedTokens)>,
        now: Timestamp,
    ) -> Result<(), MigrateError> {
        let values = |(id, sealed): (SessionId, SealedTokens)| {
            vec![
                Value::Uuid(Some(id.as_uuid())),
                Value::String(Some(WRITE_BACK.to_owned())),
                Value::String(None),
                Value::String(None),
                Value::String(None),
                Value::Bytes(Some(sealed.tokens.as_bytes().to_vec())),
            ]
        };
        let mut table = self.quarantine.clone();
        table.constants.push(("set_aside_at", now.as_millis().to_string()));
        table.insert(connection, self.dialect, rows.into_iter().map(values).collect()).await
    }

    /// Returns the rows among these that a rollback has noted before it wrote into them.
    pub(crate) async fn write_back_notes(
        &self,
        connection: &impl ConnectionTrait,
        ids: &[SessionId],
    ) -> Result<HashMap<SessionId, Sealed>, MigrateError> {
        let sql = format!(
            "SELECT session_id, sealed_row FROM session_move_aside WHERE state = '{WRITE_BACK}' \
             AND session_id IN "
        );
        let mut found = HashMap::new();
        for ids in ids.chunks(CHUNK) {
            for row in self.naming(&sql, ids).rows(connection).await? {
                let id = SessionId::from_uuid(row.try_get_by_index(0)?);
                found.insert(id, Sealed::from_bytes(row.try_get_by_index(1)?));
            }
        }
        Ok(found)
    }

    /// Deletes rows of this move, from whichever table holds them; returns how many there were.
    pub(crate) async fn remove(
        &self,
        connection: &impl ConnectionTrait,
        ids: &[SessionId],
    ) -> Result<u64, MigrateError> {
        let mine = &self.moved_by;
        let live = format!("DELETE FROM login_session WHERE moved_by = {mine} AND id IN ");
        let quarantined =
            format!("DELETE FROM session_move_aside WHERE move_id = {mine} AND session_id IN ");
        Ok(self.delete(connection, &live, ids).await?
            + self.delete(connection, &quarantined, ids).await?)
    }

    /// Deletes quarantined rows of this move only; returns how many there were.
    pub(crate) async fn remove_quarantined(
        &self,
        connection: &impl ConnectionTrait,
        ids: &[SessionId],
    ) -> Result<u64, MigrateError> {
        let sql = format!(
            "DELETE FROM session_move_aside WHERE move_id = {} AND state <> '{WRITE_BACK}' AND \
             session_id IN ",
            self.moved_by
        );
        self.delete(connection, &sql, ids).await
    }

    async fn delete(
        &self,
        connection: &impl ConnectionTrait,
        sql: &str,
        ids: &[SessionId],
    ) -> Result<u64, MigrateError> {
        let mut removed = 0;
        for ids in ids.chunks(CHUNK) {
            removed += self.naming(sql, ids).execute(connection).await?;
        }
        Ok(removed)
    }

    /// Updates a live row of this move to the tokens and the identity that its source has now. A secret
    /// that a device holds, the last use and the timeouts stay.
    pub(crate) async fn update(
        &self,
        connection: &impl ConnectionTrait,
        live: &LiveRow,
        sealed: &SealedTokens,
    ) -> Result<(), MigrateError> {
        let mut query = Query::new(
            self.dialect,
            "UPDATE login_session SET revision = revision + 1, \
             moved_revision = COALESCE(moved_revision, 1) + 1",
        );
        for (column, value) in LIVE_COLUMNS.into_iter().zip(live_values(live, sealed)) {
            if !is_kept(column) {
                let placeholder = query.bind(value);
                query.push(&format!(", {} = {placeholder}", column.as_str()));
            }
        }
        query.push(&format!(", seal_key = {}", self.seal_key));
        if live.is_age_known {
            let created_at = query.bind(millis(live.session.created_at));
            query.push(&format!(", created_at = {created_at}"));
        } else {
            query.push(", created_at = timeouts_from");
        }
        if live.is_orphan {
            query.push(", digest = NULL, previous_digest = NULL, rotated_at = NULL");
        } else if let Some(digest) = &live.digest {
            // No cookie is replaced before the cutover, so the source's is the valid one.
            let digest = query.bind(Value::Bytes(Some(digest.as_bytes().to_vec())));
            query.push(&format!(", digest = {digest}"));
        }
        let id = query.bind(Value::Uuid(Some(live.session.id.as_uuid())));
        let mine = &self.moved_by;
        query.push(&format!(" WHERE id = {id} AND moved_by = {mine} AND ended_at IS NULL"));
        query.execute(connection).await?;
        Ok(())
    }

    fn naming(&self, sql: &str, ids: &[SessionId]) -> Query {
        let mut query = Query::new(self.dialect, sql);
        let placeholders: Vec<String> =
            ids.iter().map(|id| query.bind(Value::Uuid(Some(id.as_uuid())))).collect();
        query.push(&format!("({})", placeholders.join(", ")));
        query
    }
}

/// Returns whether an update leaves a column alone, or does not simply overwrite it.
const fn is_kept(column: Column) -> bool {
    matches!(
        column,
        Column::Id | Column::Digest | Column::CreatedAt | Column::LastSeenAt | Column::TimeoutsFrom
    )
}

/// Returns the values of [`LIVE_COLUMNS`].
fn live_values(live: &LiveRow, sealed: &SealedTokens) -> Vec<Value> {
    let session = &live.session;
    let identity = &session.identity;
    let text = |text: Option<&str>| Value::String(text.map(str::to_owned));
    let bytes = |bytes: Option<&[u8]>| Value::Bytes(bytes.map(<[u8]>::to_vec));
    let cap_subject = identity.cap_subject();
    let partition = Partition::of(&session.user, &session.provider, cap_subject.as_ref());
    vec![
        Value::Uuid(Some(session.id.as_uuid())),
        bytes(live.digest.as_ref().map(|digest| digest.as_bytes().as_slice())),
        text(Some(session.user.as_str())),
        text(Some(session.provider.as_str())),
        bytes(Some(partition.as_bytes())),
        Value::BigInt(Some(live.admission)),
        text(identity.issuer.as_deref()),
        text(identity.subject.as_ref().map(session_core::session::Subject::as_str)),
        text(identity.sid.as_deref()),
        text(identity.account.as_deref()),
        millis(session.created_at),
        millis(session.last_seen_at),
        millis(session.timeouts_from),
        Value::BigInt(session.renewed_at.map(Timestamp::as_millis)),
        bytes(Some(sealed.tokens.as_bytes())),
        bytes(sealed.refresh_token.as_ref().map(Sealed::as_bytes)),
    ]
}

/// Returns the values of [`QUARANTINE_COLUMNS`].
fn quarantine_values(row: &SealedRow, of: &QuarantinedRow) -> Vec<Value> {
    vec![
        Value::Uuid(Some(row.id.as_uuid())),
        Value::String(Some(of.reason.state().to_owned())),
        Value::String(of.reason.detail().map(str::to_owned)),
        Value::String(of.user.clone()),
        Value::String(of.provider.clone()),
        Value::Bytes(Some(row.sealed.tokens.as_bytes().to_vec())),
    ]
}

const fn millis(at: Timestamp) -> Value {
    Value::BigInt(Some(at.as_millis()))
}

/// Returns a UUID as SQL: bytes where the database has no type for it.
pub(crate) fn uuid_literal(dialect: Dialect, uuid: Uuid) -> String {
    match dialect {
        Dialect::Postgres => format!("'{}'::uuid", uuid.hyphenated()),
        _ => format!("X'{}'", uuid.simple()),
    }
}

/// Returns the statements that insert rows, with the names of the columns in place of their values.
pub(crate) fn insert_template(dialect: Dialect, move_id: Uuid) -> Vec<String> {
    let table = TargetTable::new(dialect, move_id, "KEY");
    [&table.live, &table.quarantine].map(|insert| insert.template(dialect)).into()
}
