//! Moves the bulk of the rows: first those that the cap cannot prune, in the order of the source's
//! key, then the over-cap partitions.

use std::sync::Arc;

use super::batch::{BatchSize, Scan, Stopwatch, decode_each};
use super::context::MoveContext;
use super::mapped_table::{MappedTable, is_over_cap, over_cap_threshold};
use super::reconcile::{SourceState, reconcile, reconcile_sealed};
use super::worker::Worker;
use crate::error::MigrateError;
use crate::journal::Checkpoint;
use crate::source::{Cursor, OverCapPartitions, OverCapReader, RawBatch};
use crate::sql::{Dialect, begin};
use crate::target::{SealedRow, seal};

/// A batch that is ready to be written.
struct SealedBatch {
    rows: Vec<SealedRow>,
    read: u64,
    empty: u64,
    next: Option<Cursor>,
}

/// Moves the rows of every table, from the worker's checkpoint on.
pub(crate) async fn load(worker: &mut Worker<'_>) -> Result<(), MigrateError> {
    let context = worker.context;
    while let Some(table) = context.table_at(&worker.checkpoint) {
        load_table(worker, table).await?;
    }
    Ok(())
}

async fn load_table(worker: &mut Worker<'_>, table: &MappedTable) -> Result<(), MigrateError> {
    let context = worker.context;
    let over_cap = Arc::new(match over_cap_threshold(context.cap()) {
        Some(size) => table.source.over_cap_partitions(&context.source, size).await?,
        None => OverCapPartitions::default(),
    });
    let after = worker.checkpoint.after.as_deref().map(str::parse).transpose().ok().flatten();
    let mut scan = Scan::new(&table.source, &context.source, after);
    let is_exclusive = context.dialect() == Dialect::Sqlite && !context.options.is_online;
    let mut size = match is_exclusive {
        true => BatchSize::exclusive(context.batch()),
        false => BatchSize::new(context.batch()),
    };
    let mut watch = Stopwatch::start(context.clock());
    let first = scan.next(size.rows()).await?;
    let mut next = prepare(context, table, first, &over_cap).await?;
    while let Some(batch) = next {
        // In one SQLite file a reader keeps the writer waiting, and the other way round.
        let early = if is_exclusive { Some(scan.next(size.rows()).await?) } else { None };
        // A batch is written while the next one is read and sealed.
        let ahead = async {
            let raw = match early {
                Some(raw) => raw,
                None => scan.next(size.rows()).await?,
            };
            prepare(context, table, raw, &over_cap).await
        };
        let (written, prepared) = tokio::join!(write(worker, table, batch), ahead);
        written?;
        next = prepared?;
        let took = watch.lap(context.clock());
        size.adapt(took);
        worker.between_batches(took).await?;
        size.set(context.batch());
        watch.lap(context.clock());
    }
    Ok(())
}

/// What becomes of a row in this phase.
enum Prepared {
    /// The row is written now.
    Sealed(SealedRow),
    /// The row holds no tokens.
    Empty,
    /// The row is ranked later, with the others of its partition.
    OverCap,
}

async fn prepare(
    context: &MoveContext,
    table: &MappedTable,
    raw: Option<RawBatch>,
    over_cap: &Arc<OverCapPartitions>,
) -> Result<Option<SealedBatch>, MigrateError> {
    let Some(raw) = raw else { return Ok(None) };
    let planner = table.planner_at(context.clock().now());
    let (keyring, over_cap) = (Arc::clone(context.keyring()?), Arc::clone(over_cap));
    let prepared = decode_each(&table.source, raw.rows, move |row| {
        if is_over_cap(&over_cap, &row) {
            return Ok(Prepared::OverCap);
        }
        let plan = planner.plan(&row, false);
        Ok(seal(&row, plan, &keyring)?.map_or(Prepared::Empty, Prepared::Sealed))
    });
    let mut batch = SealedBatch { rows: Vec::new(), read: 0, empty: 0, next: raw.next };
    for row in prepared.await? {
        match row {
            Prepared::OverCap => continue,
            Prepared::Empty => batch.empty += 1,
            Prepared::Sealed(row) => batch.rows.push(row),
        }
        batch.read += 1;
    }
    Ok(Some(batch))
}

/// Writes a batch, repeating the transaction while others are in its way. If the target has one of
/// the rows, because an earlier process moved it before it was replaced in the source, the batch is
/// reconciled.
async fn write(
    worker: &mut Worker<'_>,
    table: &MappedTable,
    batch: SealedBatch,
) -> Result<(), MigrateError> {
    let mut point = worker.retry_point();
    loop {
        match try_write(worker, table, &batch).await {
            Ok(()) => return Ok(()),
            Err(failure) if failure.is_violation() => {
                worker.go_back(&point);
                let to = checkpoint_after(table, &batch);
                return reconcile_sealed(worker, batch.rows, &to).await;
            }
            Err(failure) => worker.prepare_retry(&mut point, failure).await?,
        }
    }
}

fn checkpoint_after(table: &MappedTable, batch: &SealedBatch) -> Checkpoint {
    Checkpoint::after(table.number, batch.next.as_ref().map(Cursor::to_string))
}

async fn try_write(
    worker: &mut Worker<'_>,
    table: &MappedTable,
    batch: &SealedBatch,
) -> Result<(), MigrateError> {
    let transaction = begin(&worker.context.target).await?;
    worker.target.insert(&transaction, batch.rows.iter(), worker.now()).await?;
    worker.counts.read += batch.read;
    worker.counts.empty += batch.empty;
    worker.count(batch.rows.iter());
    worker.checkpoint = checkpoint_after(table, batch);
    worker.note(&transaction).await?;
    Ok(transaction.commit().await?)
}

/// Ranks and moves the over-cap partitions of every table, from the worker's checkpoint on.
pub(crate) async fn rank_over_cap(worker: &mut Worker<'_>) -> Result<(), MigrateError> {
    let context = worker.context;
    let Some(threshold) = over_cap_threshold(context.cap()) else { return Ok(()) };
    while let Some(table) = context.table_at(&worker.checkpoint) {
        rank_table(worker, table, threshold).await?;
    }
    Ok(())
}

async fn rank_table(
    worker: &mut Worker<'_>,
    table: &MappedTable,
    threshold: u32,
) -> Result<(), MigrateError> {
    let context = worker.context;
    let size = BatchSize::over_cap(context.batch());
    let after = worker.checkpoint.after.as_deref().map(str::parse).transpose().ok().flatten();
    let mut reader = OverCapReader::new(threshold).from(after);
    loop {
        let mut watch = Stopwatch::start(context.clock());
        let page = table.source.next_over_cap(&context.source, &mut reader, size, |row| row);
        let rows = table.judge(context.cap(), page.await?.unwrap_or_default())?;
        let next = reader.position().map(ToString::to_string);
        let is_last = next.is_none();
        let to = Checkpoint::after(table.number, next);
        reconcile(worker, SourceState { table, rows, gone: Vec::new() }, &to).await?;
        worker.between_batches(watch.lap(context.clock())).await?;
        if is_last {
            return Ok(());
        }
    }
}
