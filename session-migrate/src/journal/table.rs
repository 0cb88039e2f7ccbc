//! Reads and writes the journal's row of a move; each write names the process that writes.

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde::{Deserialize, Serialize};
use session_core::{Keyring, SessionId, Timestamp};

use super::{Checkpoint, Counts, FailbackCounts, Journal, Phase};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::settings::{MoveSettings, Wait};
use crate::sql::{Dialect, Query};

const COLUMNS: &str = "id, phase, is_paused, owner, options, plan_digest, progress, started_at, \
    updated_at, switched_at, finished_at, worked_ms, sealed_cursor, sealed_keys, \
    COALESCE(is_blocked, 0), connections";

/// Access to the journal of one move, as one process.
#[derive(Debug, Clone)]
pub(crate) struct JournalTable {
    pub(crate) dialect: Dialect,
    pub(crate) id: SessionId,
    /// Names this process's run: once another process takes the move over, a write finds no row.
    pub(crate) runner: Uuid,
}

/// What is recorded with a piece of work.
#[derive(Debug)]
pub(crate) struct Note<'a> {
    pub(crate) phase: Phase,
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) counts: &'a Counts,
    /// The digest of the result, at the cutover.
    pub(crate) result_digest: Option<&'a str>,
    pub(crate) now: Timestamp,
    /// How long this process has worked since the last note.
    pub(crate) worked_ms: u64,
    /// Whether writes to the source are blocked.
    pub(crate) is_blocked: bool,
    /// What the move waits for.
    pub(crate) waiting: Option<Wait>,
    /// How long writes to the source were blocked before the target was open.
    pub(crate) blocked_ms: Option<u64>,
}

/// The column `progress`, as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
struct StoredProgress {
    #[serde(flatten)]
    counts: Counts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failback: Option<FailbackCounts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting: Option<Wait>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked_ms: Option<u64>,
}

/// Returns the settings in a manifest, beside what else it has.
pub(crate) fn settings_in(manifest: &str) -> MoveSettings {
    let stored: StoredSettings = serde_json::from_str(manifest).unwrap_or_default();
    stored.settings
}

/// The settings in the column `options`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StoredSettings {
    settings: MoveSettings,
}

impl StoredProgress {
    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What is recorded when a move begins.
#[derive(Debug)]
pub(crate) struct FirstEntry<'a> {
    /// The manifest, as JSON.
    pub(crate) manifest: &'a str,
    /// The digest of the plan that is carried out.
    pub(crate) plan_digest: Option<&'a str>,
    /// The proof of keys.
    pub(crate) sealed_keys: Vec<u8>,
    pub(crate) now: Timestamp,
}

/// Returns whether a table exists; needs no right but to connect.
pub(crate) async fn exists(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    table: &str,
) -> Result<bool, MigrateError> {
    let sql = match dialect {
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ",
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = "
        }
        Dialect::Mysql => {
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = "
        }
    };
    let mut query = Query::new(dialect, sql);
    let name = query.bind(Value::String(Some(table.to_owned())));
    query.push(&name);
    Ok(query.number(connection).await? > 0)
}

impl JournalTable {
    /// Returns the journal of this move; `None` if the move was never begun.
    pub(crate) async fn load(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Option<Journal>, MigrateError> {
        if !exists(connection, self.dialect, "session_move").await? {
            return Ok(None);
        }
        let mut query = self.query(&format!("SELECT {COLUMNS} FROM session_move WHERE id = "));
        let id = self.bind_id(&mut query);
        query.push(&id);
        let rows = query.rows(connection).await?;
        rows.first().map(journal).transpose()
    }

    /// Returns the journals of all moves into this database, the oldest first.
    pub(crate) async fn all(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Vec<Journal>, MigrateError> {
        if !exists(connection, self.dialect, "session_move").await? {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {COLUMNS} FROM session_move ORDER BY started_at, id");
        let rows = self.query(&sql).rows(connection).await?;
        rows.iter().map(journal).collect()
    }

    /// Records that the move begins, replacing the record of a move that was rolled back.
    pub(crate) async fn begin(
        &self,
        connection: &impl ConnectionTrait,
        first: FirstEntry<'_>,
    ) -> Result<(), MigrateError> {
        // A move that another process has begun meanwhile stays, and the next statement fails.
        let mut query =
            self.query("DELETE FROM session_move WHERE phase = 'rolled_back' AND id = ");
        let id = self.bind_id(&mut query);
        query.push(&id);
        query.execute(connection).await?;
        let mut query = self.query(
            "INSERT INTO session_move (state, is_paused, worked_ms, id, phase, options, plan_digest, \
             progress, started_at, updated_at, runner, sealed_keys) VALUES ('held', 0, 0, ",
        );
        let text = |text: &str| Value::String(Some(text.to_owned()));
        let progress = StoredProgress::default().to_json();
        let values = [
            Value::Uuid(Some(self.id.as_uuid())),
            text(Phase::Load.as_str()),
            text(first.manifest),
            Value::String(first.plan_digest.map(str::to_owned)),
            text(&progress),
            Value::BigInt(Some(first.now.as_millis())),
            Value::BigInt(Some(first.now.as_millis())),
            Value::Uuid(Some(self.runner)),
            Value::Bytes(Some(first.sealed_keys)),
        ];
        let placeholders: Vec<String> = values.map(|value| query.bind(value)).into();
        query.push(&placeholders.join(", ")).push(")");
        query.execute(connection).await?;
        Ok(())
    }

    /// Records what was done, in the transaction in which it was done.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Lost` if another process has taken the move over; then the
    /// transaction must be rolled back.
    pub(crate) async fn note(
        &self,
        connection: &impl ConnectionTrait,
        keyring: &Keyring,
        note: &Note<'_>,
    ) -> Result<(), MigrateError> {
        let sealed = note.checkpoint.seal(self.id, keyring)?;
        let switched_at = match note.phase {
            Phase::Open => format!(
                ", switched_at = COALESCE(switched_at, {}), is_blocked = {}",
                note.now.as_millis(),
                i32::from(note.is_blocked)
            ),
            _ => String::new(),
        };
        let mut query = self.query("UPDATE session_move SET phase = ");
        let phase = query.bind(Value::String(Some(note.phase.as_str().to_owned())));
        query.push(&phase).push(&format!(
            ", state = '{}', updated_at = {}, worked_ms = worked_ms + {}{}, progress = ",
            note.phase.state(),
            note.now.as_millis(),
            note.worked_ms,
            switched_at,
        ));
        let progress = StoredProgress {
            counts: *note.counts,
            result_digest: note.result_digest.map(str::to_owned),
            failback: None,
            waiting: note.waiting,
            blocked_ms: note.blocked_ms,
        };
        let progress = progress.to_json();
        let progress = query.bind(Value::String(Some(progress)));
        query.push(&progress).push(", sealed_cursor = ");
        let sealed = query.bind(Value::Bytes(Some(sealed)));
        query.push(&sealed).push(" WHERE id = ");
        let id = self.bind_id(&mut query);
        query.push(&id).push(" AND runner = ");
        let runner = query.bind(Value::Uuid(Some(self.runner)));
        query.push(&runner);
        Self::one(query.execute(connection).await?)
    }

    /// Records a phase only, which needs no keys.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Lost` if another process has taken the move over.
    pub(crate) async fn set_phase(
        &self,
        connection: &impl ConnectionTrait,
        phase: Phase,
        now: Timestamp,
    ) -> Result<(), MigrateError> {
        let query = self.query(&format!(
            "UPDATE session_move SET phase = '{}', state = '{}', updated_at = {now}{} WHERE id = ",
            phase.as_str(),
            phase.state(),
            if phase == Phase::Finalized {
                format!(", finished_at = {}", now.as_millis())
            } else {
                String::new()
            },
            now = now.as_millis(),
        ));
        self.execute_leased(query, connection).await
    }

    /// Records how far a failback has come, beside what the journal holds.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Lost` if another process has taken the move over.
    pub(crate) async fn note_failback(
        &self,
        connection: &impl ConnectionTrait,
        journal: &Journal,
        failback: FailbackCounts,
        now: Timestamp,
    ) -> Result<(), MigrateError> {
        let progress = StoredProgress {
            counts: journal.counts,
            result_digest: journal.result_digest.clone(),
            failback: Some(failback),
            waiting: None,
            blocked_ms: journal.blocked_ms,
        };
        let mut query = self.query(&format!(
            "UPDATE session_move SET updated_at = {}, progress = ",
            now.as_millis()
        ));
        let progress = query.bind(Value::String(Some(progress.to_json())));
        query.push(&progress).push(" WHERE id = ");
        self.execute_leased(query, connection).await
    }

    /// Records that the source holds every token again, as if the target had never been open.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Lost` if another process has taken the move over.
    pub(crate) async fn clear_opened(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<(), MigrateError> {
        let query = self.query("UPDATE session_move SET switched_at = NULL WHERE id = ");
        self.execute_leased(query, connection).await
    }

    /// Records the manifest of a move: one that creates the target's tables or changes its settings.
    pub(crate) async fn set_manifest(
        &self,
        connection: &impl ConnectionTrait,
        id: SessionId,
        manifest: &str,
    ) -> Result<(), MigrateError> {
        let mut query = self.query("UPDATE session_move SET options = ");
        let manifest = query.bind(Value::String(Some(manifest.to_owned())));
        query.push(&manifest).push(" WHERE id = ");
        let id = query.bind(Value::Uuid(Some(id.as_uuid())));
        query.push(&id);
        query.execute(connection).await?;
        Ok(())
    }

    /// Removes the record of the move.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Lost` if another process has taken the move over.
    pub(crate) async fn remove(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<(), MigrateError> {
        let query = self.query("DELETE FROM session_move WHERE id = ");
        self.execute_leased(query, connection).await
    }

    /// Appends the move's id and the lease to a statement, and runs it.
    async fn execute_leased(
        &self,
        mut query: Query,
        connection: &impl ConnectionTrait,
    ) -> Result<(), MigrateError> {
        let id = self.bind_id(&mut query);
        query.push(&id).push(" AND runner = ");
        let runner = query.bind(Value::Uuid(Some(self.runner)));
        query.push(&runner);
        Self::one(query.execute(connection).await?)
    }

    /// Returns whether the move was asked to pause, and its manifest, which a resume may have changed.
    pub(crate) async fn requests(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<(bool, String), MigrateError> {
        let mut query = self.query("SELECT is_paused, options FROM session_move WHERE id = ");
        let id = self.bind_id(&mut query);
        query.push(&id);
        let rows = query.rows(connection).await?;
        let row = rows.first().ok_or_else(|| MigrateError::new(MigrateErrorKind::Lost))?;
        Ok((row.try_get_by_index::<i64>(0)? != 0, row.try_get_by_index(1)?))
    }

    /// Asks the process that works on the move to pause or to go on.
    pub(crate) async fn set_paused(
        &self,
        connection: &impl ConnectionTrait,
        is_paused: bool,
    ) -> Result<(), MigrateError> {
        let flag = i32::from(is_paused);
        let mut query =
            self.query(&format!("UPDATE session_move SET is_paused = {flag} WHERE id = "));
        let id = self.bind_id(&mut query);
        query.push(&id);
        query.execute(connection).await?;
        Ok(())
    }

    /// Opens the checkpoint of a journal.
    pub(crate) fn checkpoint(
        &self,
        journal: &Journal,
        keyring: &Keyring,
    ) -> Result<Checkpoint, MigrateError> {
        Checkpoint::open(self.id, journal.sealed_checkpoint.as_deref(), keyring)
    }

    /// Returns an error unless the one row was found that has this process's lease.
    pub(super) const fn one(rows: u64) -> Result<(), MigrateError> {
        match rows {
            0 => Err(MigrateError::new(MigrateErrorKind::Lost)),
            _ => Ok(()),
        }
    }

    pub(super) fn query(&self, sql: &str) -> Query {
        Query::new(self.dialect, sql)
    }

    pub(super) fn bind_id(&self, query: &mut Query) -> String {
        query.bind(Value::Uuid(Some(self.id.as_uuid())))
    }
}

fn journal(row: &QueryResult) -> Result<Journal, MigrateError> {
    let read = || -> Result<Journal, DbErr> {
        let id: Uuid = row.try_get_by_index(0)?;
        let phase: String = row.try_get_by_index(1)?;
        let is_paused: i64 = row.try_get_by_index(2)?;
        let progress: String = row.try_get_by_index(6)?;
        let progress: StoredProgress = serde_json::from_str(&progress).unwrap_or_default();
        let moment = |at: usize| row.try_get_by_index::<i64>(at).map(Timestamp::from_millis);
        let maybe = |at: usize| {
            let millis: Option<i64> = row.try_get_by_index(at)?;
            Ok::<_, DbErr>(millis.map(Timestamp::from_millis))
        };
        let worked_ms: i64 = row.try_get_by_index(11)?;
        let connections: Option<String> = row.try_get_by_index(15)?;
        Ok(Journal {
            id: SessionId::from_uuid(id),
            phase: Phase::parse(&phase).ok_or_else(|| {
                DbErr::Type(format!(
                    "the phase {phase:?} is unknown: a newer version of this program wrote it"
                ))
            })?,
            is_paused: is_paused != 0,
            owner: row.try_get_by_index(3)?,
            options: row.try_get_by_index(4)?,
            plan_digest: row.try_get_by_index(5)?,
            counts: progress.counts,
            result_digest: progress.result_digest,
            failback: progress.failback,
            waiting: progress.waiting,
            blocked_ms: progress.blocked_ms,
            started_at: moment(7)?,
            updated_at: moment(8)?,
            switched_at: maybe(9)?,
            finished_at: maybe(10)?,
            worked_ms: u64::try_from(worked_ms).unwrap_or(0),
            sealed_checkpoint: row.try_get_by_index(12)?,
            sealed_keys: row.try_get_by_index(13)?,
            is_blocked: row.try_get_by_index::<i64>(14)? != 0,
            connections: connections
                .and_then(|it| serde_json::from_str(&it).ok())
                .unwrap_or_default(),
        })
    };
    read().map_err(MigrateError::from)
}
