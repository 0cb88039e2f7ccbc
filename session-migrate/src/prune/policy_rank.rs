//! Ranks the rows of over-cap partitions by the policy's own function.

use std::sync::Arc;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Value};

use super::error::PruneError;
use super::survey::limit_of;
use super::table::PrunableTable;
use super::victims::{VictimTable, checked, keyed};
use crate::cap::{Candidate, CandidateReader, Cap, Rank, rank};
use crate::parallel::in_parallel;
use crate::source::{ListOn, Slot, SourceRow, UserCursor};
use crate::sql::Cell;

/// How many rows are read at once.
const MAX_ROWS: u32 = 5_000;

/// How many victims one statement notes.
const MAX_NOTED: usize = 500;

/// Notes the victims in their table. `more_than` is the lowest limit of all providers: the rows of
/// smaller partitions are not opened.
pub(super) async fn note_victims(
    table: &PrunableTable,
    victims: &VictimTable,
    cap: &Cap,
    more_than: u32,
) -> Result<(), PruneError> {
    let reader = Arc::new(CandidateReader::new(cap, table.source.mapping())?);
    let checks: Arc<[Slot]> = victims.checks.clone().into();
    let order = table.source.user_order(&table.connection, ListOn::Same).await?;
    let read = async |after: Option<UserCursor>| {
        let size = (MAX_ROWS, more_than);
        table.source.over_cap_by_user(&table.connection, &order, after.as_ref(), size).await
    };
    victims.create_found(table).await?;
    let (mut rows, mut next) = read(None).await?;
    loop {
        let (source, reader, checks) =
            (Arc::clone(&table.source), Arc::clone(&reader), Arc::clone(&checks));
        // What is opened of a row is dropped at once: only its facts are kept.
        let facts = in_parallel(rows, move |row| {
            let row = source.decode(row);
            let candidate = reader.candidate(&row)?;
            Some((RowFacts::of(&row, &checks), candidate))
        });
        let ahead = async {
            match next {
                Some(_) => read(next).await.map(Some),
                None => Ok(None),
            }
        };
        let (facts, ahead) = tokio::join!(facts, ahead);
        note_page(table, victims, cap, facts?.into_iter().flatten()).await?;
        let Some(page) = ahead? else { return victims.take_found(table).await };
        (rows, next) = page;
    }
}

/// Ranks the rows of a page, and notes those that are over the cap.
async fn note_page(
    table: &PrunableTable,
    victims: &VictimTable,
    cap: &Cap,
    rows: impl Iterator<Item = (RowFacts, Candidate)>,
) -> Result<(), PruneError> {
    let (rows, ranked): (Vec<RowFacts>, Vec<Candidate>) = rows.unzip();
    let ranks = rank(cap, &ranked);
    let found: Vec<Victim<'_>> = rows
        .iter()
        .zip(&ranked)
        .zip(&ranks)
        .filter_map(|((row, candidate), rank)| Victim::of(row, candidate, *rank, cap))
        .collect();
    for some in found.chunks(MAX_NOTED) {
        note(table, victims, some).await?;
    }
    Ok(())
}

/// What is noted of a row that is over the cap: its key, and what it is checked by.
struct RowFacts {
    key: Vec<Cell>,
    checks: Vec<Cell>,
}

impl RowFacts {
    fn of(row: &SourceRow, checks: &[Slot]) -> Self {
        let stored = |slot: &Slot| {
            let mut stored = row.stored.iter();
            let found = stored.find(|it| it.column == slot.column.name && it.join == slot.join);
            found.map_or(Cell::Null, |it| it.cell.clone())
        };
        let checks = checks.iter().map(stored).collect();
        Self { key: row.key.cells().to_vec(), checks }
    }
}

/// A row that is over the cap.
struct Victim<'a> {
    row: &'a RowFacts,
    is_first: bool,
    reason: &'static str,
}

impl<'a> Victim<'a> {
    fn of(row: &'a RowFacts, it: &Candidate, rank: Rank, cap: &Cap) -> Option<Self> {
        let reason = rank.leaves?.as_str();
        let max = limit_of(cap, it.provider.as_bytes())?.max;
        let is_first = rank.place.checked_sub(1) == usize::try_from(max).ok();
        Some(Self { row, is_first, reason })
    }
}

async fn note(
    table: &PrunableTable,
    victims: &VictimTable,
    found: &[Victim<'_>],
) -> Result<(), PruneError> {
    let mut query = victims.insert_found();
    for (at, it) in found.iter().enumerate() {
        query.push(if at == 0 { "VALUES (" } else { ", (" });
        for (slot, cell) in victims.key.iter().zip(&it.row.key) {
            let value = keyed(&mut query, victims.dialect, &slot.column, cell);
            query.push(&value).push(", ");
        }
        for cell in &it.row.checks {
            let value = checked(&mut query, victims.dialect, cell);
            query.push(&value).push(", ");
        }
        query.push(if it.is_first { "1, " } else { "0, " });
        let reason = query.bind(Value::String(Some(it.reason.to_owned())));
        query.push(&reason).push(")");
    }
    let noted = table.connection.execute_raw(query.statement()).await;
    noted.map(drop).map_err(PruneError::statement)
}
