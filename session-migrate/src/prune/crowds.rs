//! The other way: crowds are read, opened and ranked here.

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Value};

use super::error::PruneError;
use super::session::Session;
use super::survey::places;
use super::work::{Work, checked, keyed};
use crate::cap::{Candidate, CandidateReader, Cap, Rank, rank};
use crate::source::SourceRow;
use crate::sql::Cell;

/// How many rows are read at once, and how many keys are written at once.
const ROWS: u32 = 20_000;
const KEYS: usize = 500;

/// Notes what is to go.
pub(super) async fn fill(
    session: &Session,
    work: &Work,
    cap: &Cap,
    more_than: u32,
) -> Result<(), PruneError> {
    let candidates = CandidateReader::new(cap, session.source.mapping())?;
    let mut after = None;
    loop {
        let page =
            session.source.over_cap_rows(&session.connection, more_than, after.as_ref(), ROWS);
        let (rows, next) = page.await?;
        let (rows, ranked): (Vec<&SourceRow>, Vec<Candidate>) =
            rows.iter().filter_map(|row| Some((row, candidates.candidate(row)?))).unzip();
        let ranks = rank(cap, &ranked);
        let leaving: Vec<Leaving<'_>> = rows
            .iter()
            .zip(&ranked)
            .zip(&ranks)
            .filter_map(|((row, candidate), rank)| Leaving::of(row, candidate, *rank, cap))
            .collect();
        for some in leaving.chunks(KEYS) {
            note(session, work, some).await?;
        }
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// A row that leaves.
struct Leaving<'a> {
    row: &'a SourceRow,
    is_first: bool,
    reason: &'static str,
}

impl<'a> Leaving<'a> {
    fn of(row: &'a SourceRow, it: &Candidate, rank: Rank, cap: &Cap) -> Option<Self> {
        let reason = rank.leaves?.as_str();
        let max = places(cap, it.provider.as_bytes())?.max;
        let is_first = rank.place.checked_sub(1) == usize::try_from(max).ok();
        Some(Self { row, is_first, reason })
    }
}

async fn note(session: &Session, work: &Work, leaving: &[Leaving<'_>]) -> Result<(), PruneError> {
    let mut query = work.insert(false);
    for (at, it) in leaving.iter().enumerate() {
        query.push(if at == 0 { "VALUES (" } else { ", (" });
        for (slot, cell) in work.key.iter().zip(it.row.key.cells()) {
            let value = keyed(&mut query, work.dialect, &slot.column, cell);
            query.push(&value).push(", ");
        }
        for slot in &work.checks {
            let mut stored = it.row.stored.iter();
            let stored = stored.find(|it| it.column == slot.column.name && it.join == slot.join);
            let cell = stored.map_or(&Cell::Null, |it| &it.cell);
            let value = checked(&mut query, work.dialect, cell);
            query.push(&value).push(", ");
        }
        query.push(if it.is_first { "1, " } else { "0, " });
        let reason = query.bind(Value::String(Some(it.reason.to_owned())));
        query.push(&reason).push(")");
    }
    let noted = session.connection.execute_raw(query.statement()).await;
    noted.map(drop).map_err(PruneError::statement)
}
