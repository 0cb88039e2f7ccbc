//! Rows of the target for which the source has none any more.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::Value;
use sea_orm_migration::sea_orm::prelude::Uuid;
use session_core::SessionId;

use super::pass::Pass;
use crate::engine::Ground;
use crate::error::MigrateError;
use crate::sql::{Dialect, Query};
use crate::target::{of_row, uuid_literal};

/// So many ids of the source are held in memory at once.
const MOST_IDS: u64 = 1_000_000;

/// How many rows one statement reads.
const PAGE: u32 = 5000;

/// How many rows of this move stand in `login_session`, aside, and unclaimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) live: u64,
    pub(crate) aside: u64,
    pub(crate) unclaimed: u64,
}

/// Counts what stands.
pub(crate) async fn totals(ground: &Ground) -> Result<Totals, MigrateError> {
    let (dialect, target) = (ground.dialect(), &ground.target);
    let mine = uuid_literal(dialect, ground.id.as_uuid());
    let count = async |sql: String| {
        Query::new(dialect, sql).number(target).await.map_err(MigrateError::from)
    };
    let from = "SELECT COUNT(*) FROM login_session WHERE moved_by =";
    Ok(Totals {
        live: count(format!("{from} {mine}")).await?,
        aside: count(format!("SELECT COUNT(*) FROM session_move_aside WHERE move_id = {mine}"))
            .await?,
        unclaimed: count(format!("{from} {mine} AND digest IS NULL AND ended_at IS NULL")).await?,
    })
}

/// The ids of rows for which the source has none. Ids are looked at in as many parts as fit into
/// memory; each part reads the source's keys once.
pub(crate) async fn extras(ground: &Ground, rows: u64) -> Result<Vec<SessionId>, MigrateError> {
    let parts = rows.div_ceil(MOST_IDS).max(1);
    let mut found = Vec::new();
    for part in 0..parts {
        let is_mine = |id: &SessionId| id.spread() % parts == part;
        let known = known(ground, is_mine).await?;
        for (table, column, of_move) in
            [("login_session", "id", "moved_by"), ("session_move_aside", "session_id", "move_id")]
        {
            let mut after: Option<Uuid> = None;
            loop {
                let ids = page(ground, (table, column, of_move), after).await?;
                let Some(last) = ids.last() else { break };
                after = Some(last.as_uuid());
                found.extend(ids.into_iter().filter(|id| is_mine(id) && !known.contains(id)));
            }
        }
    }
    Ok(found)
}

async fn known(
    ground: &Ground,
    is_mine: impl Fn(&SessionId) -> bool,
) -> Result<BTreeSet<SessionId>, MigrateError> {
    let mut known = BTreeSet::new();
    for (table, gate) in ground.tables.iter().zip(&ground.gates) {
        let mut pass = Pass::new(table, &ground.source, None);
        while let Some(batch) = pass.next(PAGE).await? {
            let ids = batch.rows.iter().map(|row| of_row(&gate.mapping, &table.key(row)));
            known.extend(ids.filter(|id| is_mine(id)));
        }
    }
    Ok(known)
}

async fn page(
    ground: &Ground,
    (table, column, of_move): (&str, &str, &str),
    after: Option<Uuid>,
) -> Result<Vec<SessionId>, MigrateError> {
    let dialect: Dialect = ground.dialect();
    let mine = uuid_literal(dialect, ground.id.as_uuid());
    let mut query =
        Query::new(dialect, format!("SELECT {column} FROM {table} WHERE {of_move} = {mine}"));
    if let Some(after) = after {
        let after = query.bind(Value::Uuid(Some(after)));
        query.push(&format!(" AND {column} > {after}"));
    }
    query.push(&format!(" ORDER BY {column} LIMIT {PAGE}"));
    let rows = query.rows(&ground.target).await?;
    let ids = rows.iter().map(|row| row.try_get_by_index::<Uuid>(0).map(SessionId::from_uuid));
    Ok(ids.collect::<Result<_, _>>()?)
}
