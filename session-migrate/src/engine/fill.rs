//! The bulk of a move: rows in the order of the source's key, but those of crowded pairs.

use std::sync::Arc;

use super::pass::{BatchSize, Pass, Stopwatch, each};
use super::verdict::{crowd_size, is_crowded};
use super::work::Work;
use crate::engine::{Ground, begin};
use crate::error::MigrateError;
use crate::journal::Place;
use crate::source::{Cursor, OverCapPartitions, RawBatch, SourceTable};
use crate::sql::Dialect;
use crate::target::{Content, Ready, Reason, ready};

/// A batch that is ready to be written.
struct Batch {
    rows: Vec<Ready>,
    read: u64,
    empty: u64,
    next: Option<Cursor>,
}

/// Moves the rows of every mapping, from where the journal has come to.
pub(crate) async fn fill(work: &mut Work<'_>) -> Result<(), MigrateError> {
    let ground = work.ground;
    while let Some(table) = ground.tables.get(work.place.mapping) {
        fill_table(work, table).await?;
    }
    Ok(())
}

async fn fill_table(work: &mut Work<'_>, table: &Arc<SourceTable>) -> Result<(), MigrateError> {
    let ground = work.ground;
    let crowd = Arc::new(match crowd_size(ground.cap()) {
        Some(size) => table.over_cap_partitions(&ground.source, size).await?,
        None => OverCapPartitions::default(),
    });
    let after = work.place.after.as_deref().map(str::parse).transpose().ok().flatten();
    let mut pass = Pass::new(table, &ground.source, after);
    let is_alone = ground.dialect() == Dialect::Sqlite && !ground.options.is_online;
    let mut size = match is_alone {
        true => BatchSize::alone(ground.options.batch),
        false => BatchSize::new(ground.options.batch),
    };
    let mut watch = Stopwatch::start(ground.clock());
    let first = pass.next(size.rows()).await?;
    let mut next = prepare(ground, work.place.mapping, first, &crowd).await?;
    while let Some(batch) = next {
        let mapping = work.place.mapping;
        // In one SQLite file, who reads keeps the one who writes waiting, and the other way round.
        let early = if is_alone { Some(pass.next(size.rows()).await?) } else { None };
        // One batch is written while the next one is read and sealed.
        let ahead = async {
            let raw = match early {
                Some(raw) => raw,
                None => pass.next(size.rows()).await?,
            };
            prepare(ground, mapping, raw, &crowd).await
        };
        let (written, prepared) = tokio::join!(write(work, batch), ahead);
        written?;
        next = prepared?;
        let took = watch.lap(ground.clock());
        size.took(took);
        work.between(took).await?;
        watch.lap(ground.clock());
    }
    Ok(())
}

async fn prepare(
    ground: &Ground,
    mapping: usize,
    raw: Option<RawBatch>,
    crowd: &Arc<OverCapPartitions>,
) -> Result<Option<Batch>, MigrateError> {
    let (Some(raw), Some(gate)) = (raw, ground.gate(mapping)) else { return Ok(None) };
    let (Some(table), keyring) = (ground.tables.get(mapping), Arc::clone(ground.keyring()?)) else {
        return Ok(None);
    };
    let crowd = Arc::clone(crowd);
    let arrived = each(table, raw.rows, move |row| {
        if is_crowded(&crowd, &row) {
            return Ok(Arrived::Later);
        }
        let arrival = gate.arrival(&row, false);
        Ok(ready(&row, arrival, &keyring)?.map_or(Arrived::Empty, Arrived::Ready))
    });
    let mut batch = Batch { rows: Vec::new(), read: 0, empty: 0, next: raw.next };
    for arrived in arrived.await? {
        match arrived {
            Arrived::Later => continue,
            Arrived::Empty => batch.empty += 1,
            Arrived::Ready(row) => batch.rows.push(row),
        }
        batch.read += 1;
    }
    Ok(Some(batch))
}

/// What becomes of a row in this phase.
enum Arrived {
    /// It is written now.
    Ready(Ready),
    /// It holds no tokens.
    Empty,
    /// It is ranked with the others of its pair.
    Later,
}

async fn write(work: &mut Work<'_>, batch: Batch) -> Result<(), MigrateError> {
    let mut mark = work.mark();
    loop {
        match try_write(work, &batch).await {
            Ok(()) => return Ok(()),
            Err(failure) => work.again(&mut mark, failure).await?,
        }
    }
}

async fn try_write(work: &mut Work<'_>, batch: &Batch) -> Result<(), MigrateError> {
    let transaction = begin(&work.ground.target).await?;
    work.target.insert(&transaction, batch.rows.iter(), work.now()).await?;
    work.counts.read += batch.read;
    work.counts.empty += batch.empty;
    count(work, batch.rows.iter());
    let mapping = work.place.mapping;
    work.place = match &batch.next {
        Some(cursor) => Place { mapping, after: Some(cursor.to_string()) },
        None => Place { mapping: mapping + 1, after: None },
    };
    work.note(&transaction).await?;
    Ok(transaction.commit().await?)
}

/// Counts rows that are written.
pub(super) fn count<'a>(work: &mut Work<'_>, rows: impl Iterator<Item = &'a Ready>) {
    for row in rows {
        match row.content {
            Content::Live(..) => work.counts.moved += 1,
            Content::Aside { reason: Reason::Pruned, .. } => work.counts.pruned += 1,
            Content::Aside { .. } => work.counts.unreadable += 1,
        }
    }
}
