//! Rows of the target that no row of the source accounts for.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{QueryResult, Value};
use session_core::SessionId;

use super::batch::Scan;
use super::context::MoveContext;
use super::findings::Findings;
use crate::error::MigrateError;
use crate::sql::Query;
use crate::target::{WRITE_BACK, uuid_literal};

/// How many ids of the source are held in memory at once.
const MAX_IDS: u64 = 250_000;

/// How many rows one statement reads.
const PAGE: u32 = 5000;

/// How many rows of this move the target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Rows in `login_session`.
    pub(crate) live: u64,
    pub(crate) quarantined: u64,
    /// Live rows that no device has claimed.
    pub(crate) unclaimed: u64,
}

/// Counts the rows of the mapped tables.
pub(crate) async fn count_rows(context: &MoveContext) -> Result<u64, MigrateError> {
    let mut rows = 0;
    for table in &context.tables {
        rows += table.source.count(&context.source).await?;
    }
    Ok(rows)
}

/// Counts the rows of this move in the target.
pub(crate) async fn totals(context: &MoveContext) -> Result<Totals, MigrateError> {
    let (dialect, target) = (context.dialect(), &context.target);
    let id = uuid_literal(dialect, context.id.as_uuid());
    let count = async |sql: String| {
        Query::new(dialect, sql).number(target).await.map_err(MigrateError::from)
    };
    let from = "SELECT COUNT(*) FROM login_session WHERE moved_by =";
    Ok(Totals {
        live: count(format!("{from} {id}")).await?,
        quarantined: count(format!(
            "SELECT COUNT(*) FROM session_move_aside WHERE move_id = {id} AND state <> '{WRITE_BACK}'"
        ))
        .await?,
        unclaimed: count(format!("{from} {id} AND digest IS NULL AND ended_at IS NULL")).await?,
    })
}

/// Rows of the target beyond those that a comparison has found for the rows of the source.
#[derive(Debug, Default)]
pub(crate) struct SurplusRows {
    /// Sessions and quarantined rows whose row the source no longer has.
    pub(crate) without_source: Vec<SessionId>,
    /// Quarantined rows of sessions that are in use: they hold a second copy of the tokens.
    pub(crate) stray: Vec<SessionId>,
}

impl SurplusRows {
    /// Finds the surplus rows. Where nothing differs and the totals agree, there are none.
    pub(crate) async fn of(
        context: &MoveContext,
        findings: &Findings,
        totals: Totals,
    ) -> Result<Self, MigrateError> {
        if findings.mismatches == 0 && totals.rows() == findings.found() {
            return Ok(Self::default());
        }
        Ok(Self {
            without_source: extra_ids(context, findings.source_rows).await?,
            stray: stray_ids(context).await?,
        })
    }

    /// Adds each surplus row to what a comparison has found.
    pub(crate) fn add_to(&self, findings: &mut Findings) {
        for id in &self.without_source {
            findings.differs(id.to_string(), "it is missing in the source");
        }
        for id in &self.stray {
            findings.differs(id.to_string(), "it is quarantined although its session is in use");
        }
    }
}

impl Totals {
    /// Returns how many rows of the move the target holds, wherever.
    pub(crate) const fn rows(self) -> u64 {
        self.live + self.quarantined
    }
}

/// Returns the ids of quarantined rows whose session is in use.
async fn stray_ids(context: &MoveContext) -> Result<Vec<SessionId>, MigrateError> {
    let dialect = context.dialect();
    let id = uuid_literal(dialect, context.id.as_uuid());
    let sql = format!(
        "SELECT aside.session_id FROM session_move_aside AS aside JOIN login_session AS used \
         ON used.id = aside.session_id WHERE aside.move_id = {id} AND aside.state <> '{WRITE_BACK}'"
    );
    ids(Query::new(dialect, sql).rows(&context.target).await?)
}

fn ids(rows: Vec<QueryResult>) -> Result<Vec<SessionId>, MigrateError> {
    let ids = rows.iter().map(|row| row.try_get_by_index::<Uuid>(0).map(SessionId::from_uuid));
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Returns the ids of rows that the source no longer has. The ids are compared in as many parts as
/// memory requires; each part reads the keys of the source once.
pub(crate) async fn extra_ids(
    context: &MoveContext,
    source_rows: u64,
) -> Result<Vec<SessionId>, MigrateError> {
    let parts = source_rows.div_ceil(MAX_IDS).max(1);
    let mut found = Vec::new();
    for part in 0..parts {
        let is_in_part = |id: &SessionId| id.spread() % parts == part;
        let known = source_ids(context, is_in_part).await?;
        for (table, column, of_move) in
            [("login_session", "id", "moved_by"), ("session_move_aside", "session_id", "move_id")]
        {
            let mut after: Option<Uuid> = None;
            loop {
                let ids = page(context, (table, column, of_move), after).await?;
                let Some(last) = ids.last() else { break };
                after = Some(last.as_uuid());
                found.extend(ids.into_iter().filter(|id| is_in_part(id) && !known.contains(id)));
            }
        }
    }
    Ok(found)
}

async fn source_ids(
    context: &MoveContext,
    is_in_part: impl Fn(&SessionId) -> bool,
) -> Result<BTreeSet<SessionId>, MigrateError> {
    let mut known = BTreeSet::new();
    for table in &context.tables {
        let mut scan = Scan::new(context, &table.source);
        while let Some(batch) = scan.next(PAGE).await? {
            let ids = batch.rows.iter().map(|row| table.id(&table.source.key(row)));
            known.extend(ids.filter(|id| is_in_part(id)));
        }
    }
    Ok(known)
}

async fn page(
    context: &MoveContext,
    (table, column, of_move): (&str, &str, &str),
    after: Option<Uuid>,
) -> Result<Vec<SessionId>, MigrateError> {
    let dialect = context.dialect();
    let id = uuid_literal(dialect, context.id.as_uuid());
    let mut query =
        Query::new(dialect, format!("SELECT {column} FROM {table} WHERE {of_move} = {id}"));
    if table == "session_move_aside" {
        query.push(&format!(" AND state <> '{WRITE_BACK}'"));
    }
    if let Some(after) = after {
        let after = query.bind(Value::Uuid(Some(after)));
        query.push(&format!(" AND {column} > {after}"));
    }
    query.push(&format!(" ORDER BY {column} LIMIT {PAGE}"));
    ids(query.rows(&context.target).await?)
}
