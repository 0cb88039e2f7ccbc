//! PostgreSQL: a login, an end and a renewal as one statement each, whose parts are data-modifying
//! `WITH` queries. All parts share one snapshot, and none sees what another one writes.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Query;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, FromQueryResult, IdenStatic, Iterable,
    QueryFilter, QueryOrder, QueryResult, QuerySelect, QueryTrait, Statement, Value,
};

use super::admit::{LiveRows, PendingAdmission, Plan};
use super::attempt_error::AttemptError;
use super::connection::Connection;
use super::convert::digest_octets;
use super::end::{Ending, Leaving};
use super::entity::session::Column;
use super::live_update::renewal;
use super::retry::Attempt;
use super::row::{ENDING_COLUMNS, EndingRow};
use super::store::SeaOrmStore;
use crate::policy::rotation;
use crate::session::{Actor, EndReason};
use crate::store::{Admission, EndedSession, TokenWrite};

/// What [`ENDING`] and its callers need of a row.
const LEAVING_COLUMNS: &str = "session.id, session.user_id, session.provider, session.digest, \
    session.previous_digest, session.rotated_at, session.confirmed_at, session.admission, \
    session.last_seen_at, session.timeouts_from, session.partition_key, \
    session.sealed_refresh_token, session.seal_key";

/// Ends the rows of the `WITH` query `leaving`, which has locked them: `$now` is the time, `$actor` who
/// does it, and
/// `$new_id` a new UUID as text, whose last eight digits number what is inserted.
const ENDING: &str = "\
    outbox AS (INSERT INTO provider_revocation (id, session_id, user_id, provider, partition_key, \
        sealed_refresh_token, seal_key, created_at, due_at, attempts) \
        SELECT $numbered, id, user_id, provider, partition_key, sealed_refresh_token, seal_key, \
        $now, $now, 0 FROM leaving WHERE sealed_refresh_token IS NOT NULL), \
    ending AS (UPDATE login_session SET ended_at = $now, end_reason = leaving.reason, \
        sealed_tokens = NULL, sealed_refresh_token = NULL, seal_key = NULL, lease_owner = NULL, \
        lease_heartbeat = NULL, lease_term_ms = NULL, revision = login_session.revision + 1 \
        FROM leaving WHERE login_session.id = leaving.id), \
    ended AS (INSERT INTO login_session_event \
        (id, session_id, user_id, provider, kind, detail, actor, at) \
        SELECT $numbered, id, user_id, provider, 'ended', reason, $actor, $now FROM leaving)";

const NUMBERED: &str =
    "(substr($new_id, 1, 28) || lpad(to_hex(row_number() OVER ()), 8, '0'))::uuid";

impl SeaOrmStore {
    /// Attempts an admission without locks until its last statement: reads the counter of the
    /// partition and the live sessions, asks the policy, and carries the verdict out in one
    /// statement that does nothing if the counter has changed.
    ///
    /// Two messages, on one connection. Reading in the statement that locks would be wrong: it
    /// would wait for another login, and then go on with what it saw before.
    pub(super) async fn admit_at_once(
        &self,
        connection: &Connection,
        login: &PendingAdmission<'_>,
    ) -> Result<Admission, AttemptError> {
        let (seen, live) = self.read_live(connection, login).await?;
        let (admission, leaving) = match login.decide(live)? {
            Plan::Admit { admission, leaving } => (admission, leaving),
            Plan::Refuse { live } => return Ok(Admission::Refused { live }),
        };
        let leaving: Result<Vec<_>, _> = leaving.into_iter().map(Leaving::into_ended).collect();
        let leaving = leaving?;
        login.remember(&leaving);
        let statement = admission_statement(login, seen, admission, &leaving);
        let rows = connection.query_all_raw(statement).await;
        let rows = rows.map_err(|error| self.write_failed(error))?;
        if rows.is_empty() {
            return Err(AttemptError::lost_race());
        }
        let mut ended = self.ended_in(&rows)?;
        // In the order of the verdict.
        ended.sort_by_key(|one| leaving.iter().position(|other| other.id == one.id));
        Ok(Admission::Admitted { ended })
    }

    async fn read_live(
        &self,
        connection: &Connection,
        login: &PendingAdmission<'_>,
    ) -> Result<(Option<i64>, LiveRows), AttemptError> {
        let digest = login.new.supersedes.as_ref().map(digest_octets);
        let (rotated, confirmed) = rotation::accepted_since(login.new.session.created_at);
        let values: [Value; 4] = [
            login.partition.clone().into(),
            digest.into(),
            rotated.as_millis().into(),
            confirmed.as_millis().into(),
        ];
        let sql = format!(
            "SELECT {ENDING_COLUMNS}, seen.admissions FROM \
             (SELECT (SELECT admissions FROM admission_lock WHERE partition_key = $1)) \
             AS seen (admissions) LEFT JOIN login_session ON ended_at IS NULL \
             AND (partition_key = $1 OR digest = $2 OR previous_digest = $2 \
             AND rotated_at > $3 AND (confirmed_at IS NULL OR confirmed_at > $4))"
        );
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        let rows = connection.query_all_raw(statement).await;
        let rows = rows.map_err(|error| self.failed(error))?;
        let seen = rows.first().map(|row| row.try_get("", "admissions")).transpose();
        let seen: Option<i64> = seen.map_err(|error| self.failed(error))?.flatten();
        let live = self.ending_rows(&rows)?;
        Ok((seen, LiveRows::new(login, seen.unwrap_or(0) + 1, live)?))
    }

    /// Ends sessions with one statement.
    pub(super) async fn end_at_once(
        &self,
        ending: &Ending,
        attempt: Attempt,
    ) -> Result<Vec<EndedSession>, AttemptError> {
        let new_id = Uuid::now_v7();
        let earlier = ending.remember_statement(new_id);
        let rows = self.pool.query_all_raw(end_statement(ending, new_id)).await;
        let mut ended = self.ended_in(&rows.map_err(|error| self.write_failed(error))?)?;
        if attempt.is_uncertain {
            for new_id in earlier {
                let statement = ended_by_statement(ending, new_id);
                let rows = self.pool.query_all_raw(statement).await;
                ended.extend(self.ended_in(&rows.map_err(|error| self.failed(error))?)?);
            }
        }
        Ok(ended)
    }

    /// Writes renewed tokens with one statement; returns whether the row was there as it was read.
    pub(super) async fn write_at_once(&self, write: &TokenWrite) -> Result<bool, AttemptError> {
        let mut update = renewal(write);
        QueryTrait::query(&mut update).returning(Query::returning().columns([
            Column::Id,
            Column::UserId,
            Column::Provider,
        ]));
        let mut parts = BoundSql::new(update.build(DbBackend::Postgres));
        let (new_id, now) = (parts.bind(Uuid::now_v7()), parts.bind(write.now.as_millis()));
        let sql = format!(
            "WITH written AS ({}), renewed AS (INSERT INTO login_session_event \
             (id, session_id, user_id, provider, kind, detail, at) \
             SELECT {new_id}, id, user_id, provider, 'renewed', NULL, {now} FROM written) \
             SELECT id FROM written",
            parts.sql
        );
        let written = self.pool.query_one_raw(parts.statement(sql)).await;
        Ok(written.map_err(|error| self.write_failed(error))?.is_some())
    }

    /// Reads rows of [`ENDING_COLUMNS`]; one without an id stands for none.
    fn ending_rows(&self, rows: &[QueryResult]) -> Result<Vec<EndingRow>, AttemptError> {
        let rows =
            rows.iter().filter(|row| !matches!(row.try_get::<Option<Uuid>>("", "id"), Ok(None)));
        let rows: Result<Vec<_>, _> =
            rows.map(|row| EndingRow::from_query_result(row, "")).collect();
        rows.map_err(|error| self.failed(error))
    }

    /// Reads rows of [`ENDING_COLUMNS`] and the reason.
    fn ended_in(&self, rows: &[QueryResult]) -> Result<Vec<EndedSession>, AttemptError> {
        let ended = self.ending_rows(rows)?.into_iter().zip(rows).map(|(ending, row)| {
            let reason: String = row.try_get("", "reason").map_err(|error| self.failed(error))?;
            let reason = EndReason::parse(&reason);
            ending.into_ended(reason.ok_or_else(|| AttemptError::corrupt("an end's reason"))?)
        });
        ended.collect()
    }
}

fn admission_statement(
    login: &PendingAdmission<'_>,
    seen: Option<i64>,
    admission: i64,
    leaving: &[EndedSession],
) -> Statement {
    let mut parts = BoundSql { sql: String::new(), values: Vec::new() };
    let partition = parts.bind(login.partition.clone());
    let (admission, seen) = (parts.bind(admission), parts.bind(seen));
    let ids: Vec<Uuid> = leaving.iter().map(|one| one.id.as_uuid()).collect();
    let reasons: Vec<String> = leaving.iter().map(|one| one.reason.as_str().to_owned()).collect();
    let (ids, reasons) = (parts.bind(ids), parts.bind(reasons));
    let ending = parts.ending(None, login.new.session.created_at.as_millis(), Uuid::now_v7());
    let new_id = parts.bind(Uuid::now_v7());
    let (columns, values) = new_row(&mut parts, login, &admission);
    let sql = format!(
        "WITH guard AS (INSERT INTO admission_lock AS held (partition_key, admissions) \
             VALUES ({partition}, {admission}) ON CONFLICT (partition_key) \
             DO UPDATE SET admissions = {admission} WHERE held.admissions = {seen} \
             RETURNING admissions), \
         leaving AS (SELECT {LEAVING_COLUMNS}, named.reason \
             FROM unnest({ids}, {reasons}) AS named (id, reason) \
             JOIN login_session AS session ON session.id = named.id CROSS JOIN guard \
             WHERE session.ended_at IS NULL ORDER BY session.id FOR UPDATE OF session), \
         {ending}, \
         admitted AS (INSERT INTO login_session ({columns}) SELECT {values} FROM guard \
             RETURNING id, user_id, provider, created_at), \
         created AS (INSERT INTO login_session_event \
             (id, session_id, user_id, provider, kind, detail, at) \
             SELECT {new_id}, id, user_id, provider, 'created', NULL, created_at FROM admitted) \
         SELECT {ENDING_COLUMNS}, reason FROM guard LEFT JOIN leaving ON true"
    );
    parts.statement(sql)
}

/// Returns the columns of the new row that are set, and their values.
fn new_row(
    parts: &mut BoundSql,
    login: &PendingAdmission<'_>,
    admission: &str,
) -> (String, String) {
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for column in Column::iter() {
        let value = match (column, login.row.get(column).into_value()) {
            (Column::Admission, _) => admission.to_owned(),
            (_, Some(value)) => parts.bind(value),
            (_, None) => continue,
        };
        columns.push(column.as_str().to_owned());
        values.push(value);
    }
    (columns.join(", "), values.join(", "))
}

fn end_statement(ending: &Ending, new_id: Uuid) -> Statement {
    let locked = EndingRow::select()
        .columns([Column::PartitionKey, Column::SealedRefreshToken, Column::SealKey])
        .filter(ending.condition.clone())
        .order_by_asc(Column::Id)
        .lock_exclusive();
    let mut parts = BoundSql::new(locked.build(DbBackend::Postgres));
    let reason = parts.bind(ending.cause.reason.as_str());
    let locked = std::mem::take(&mut parts.sql);
    let ends = parts.ending(ending.cause.actor.as_ref(), ending.now.as_millis(), new_id);
    let sql = format!(
        "WITH leaving AS (SELECT locked.*, {reason}::text AS reason FROM ({locked}) AS locked), \
         {ends} SELECT {ENDING_COLUMNS}, reason FROM leaving"
    );
    parts.statement(sql)
}

/// Selects what a statement with an unknown outcome ended: it numbered the ids of its events.
fn ended_by_statement(ending: &Ending, new_id: Uuid) -> Statement {
    let numbered = |number: u32| {
        Uuid::from_u128(new_id.as_u128() & !u128::from(u32::MAX) | u128::from(number))
    };
    let values: [Value; 3] =
        [numbered(0).into(), numbered(u32::MAX).into(), ending.cause.reason.as_str().into()];
    let sql = format!(
        "SELECT {ENDING_COLUMNS}, $3::text AS reason FROM login_session WHERE id IN \
         (SELECT session_id FROM login_session_event WHERE id BETWEEN $1 AND $2)"
    );
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// A statement that is put together, with its values.
struct BoundSql {
    sql: String,
    values: Vec<Value>,
}

impl BoundSql {
    fn new(statement: Statement) -> Self {
        Self { sql: statement.sql, values: statement.values.map_or(Vec::new(), |values| values.0) }
    }

    /// Adds a value and returns its placeholder.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Returns [`ENDING`] with its values.
    fn ending(&mut self, actor: Option<&Actor>, now: i64, new_id: Uuid) -> String {
        let actor = self.bind(actor.map(Actor::as_str));
        let (now, new_id) = (self.bind(now), self.bind(new_id.to_string()));
        let numbered = NUMBERED.replace("$new_id", &new_id);
        ENDING.replace("$numbered", &numbered).replace("$actor", &actor).replace("$now", &now)
    }

    fn statement(self, sql: String) -> Statement {
        Statement::from_sql_and_values(DbBackend::Postgres, sql, self.values)
    }
}
