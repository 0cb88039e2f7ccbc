//! Moves the bulk of the rows, each read once: in the order of the source's key, or, with a cap, user
//! by user, so that each user's rows are ranked together.

use std::sync::Arc;

use super::batch::{BatchSize, Scan, ScanBatch, Stopwatch, decode_judged};
use super::context::MoveContext;
use super::mapped_table::{MappedTable, over_cap_threshold};
use super::reconcile::reconcile_sealed;
use super::worker::Worker;
use crate::error::MigrateError;
use crate::journal::Checkpoint;
use crate::parallel::in_parallel;
use crate::sql::{Dialect, begin};
use crate::target::{SealedRow, seal};

/// A batch that is ready to be written.
struct SealedBatch {
    rows: Vec<SealedRow>,
    read: u64,
    empty: u64,
    next: Option<String>,
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
    let scan = Scan::under_cap(context, &table.source);
    let mut scan = scan.from(worker.checkpoint.after.as_deref());
    let is_exclusive = context.dialect() == Dialect::Sqlite && !context.options.is_online;
    let mut size = match is_exclusive {
        true => BatchSize::exclusive(context.batch()),
        false => BatchSize::new(context.batch()),
    };
    let mut watch = Stopwatch::start(context.clock());
    let first = scan.next(size.rows()).await?;
    let mut next = prepare(context, table, first).await?;
    while let Some(batch) = next {
        // In one SQLite file a reader keeps the writer waiting, and the other way round.
        let early = if is_exclusive { Some(scan.next(size.rows()).await?) } else { None };
        // A batch is written while the next one is read and sealed.
        let ahead = async {
            let raw = match early {
                Some(raw) => raw,
                None => scan.next(size.rows()).await?,
            };
            prepare(context, table, raw).await
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

/// Decodes, ranks and seals a batch.
async fn prepare(
    context: &MoveContext,
    table: &MappedTable,
    raw: Option<ScanBatch>,
) -> Result<Option<SealedBatch>, MigrateError> {
    let Some(ScanBatch { rows, next }) = raw else { return Ok(None) };
    let planner = table.planner_at(context.clock().now());
    let keyring = Arc::clone(context.keyring()?);
    let read = u64::try_from(rows.len()).unwrap_or(0);
    let rows = decode_judged(context.cap(), table, rows).await?;
    let sealed = in_parallel(rows, move |(row, is_pruned)| {
        let plan = planner.plan(&row, is_pruned);
        seal(&row, plan, &keyring)
    });
    let rows: Vec<Option<SealedRow>> = sealed.await?.into_iter().collect::<Result<_, _>>()?;
    let rows: Vec<SealedRow> = rows.into_iter().flatten().collect();
    let empty = read - u64::try_from(rows.len()).unwrap_or(0);
    Ok(Some(SealedBatch { rows, read, empty, next }))
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
            Ok(true) => return Ok(()),
            Ok(false) => return reconcile_batch(worker, table, batch).await,
            Err(failure) if failure.is_violation() => {
                worker.go_back(&point);
                return reconcile_batch(worker, table, batch).await;
            }
            Err(failure) => worker.prepare_retry(&mut point, failure).await?,
        }
    }
}

async fn reconcile_batch(
    worker: &mut Worker<'_>,
    table: &MappedTable,
    batch: SealedBatch,
) -> Result<(), MigrateError> {
    let to = checkpoint_after(table, &batch);
    reconcile_sealed(worker, batch.rows, &to).await
}

fn checkpoint_after(table: &MappedTable, batch: &SealedBatch) -> Checkpoint {
    Checkpoint::after(table.number, batch.next.clone())
}

/// Writes a batch; returns `false`, and writes nothing, if the target holds a row of it in the other
/// table: with a cap, a row that gets a user further on in the order is read a second time, and may be
/// pruned there.
async fn try_write(
    worker: &mut Worker<'_>,
    table: &MappedTable,
    batch: &SealedBatch,
) -> Result<bool, MigrateError> {
    let transaction = begin(&worker.context.target).await?;
    let may_be_read_twice =
        worker.context.options.is_online && over_cap_threshold(worker.context.cap()).is_some();
    if may_be_read_twice && worker.target.holds_elsewhere(&transaction, batch.rows.iter()).await? {
        return Ok(false);
    }
    worker.target.insert(&transaction, batch.rows.iter(), worker.now()).await?;
    worker.counts.read += batch.read;
    worker.counts.empty += batch.empty;
    worker.count(batch.rows.iter());
    worker.checkpoint = checkpoint_after(table, batch);
    worker.note(&transaction).await?;
    transaction.commit().await?;
    Ok(true)
}
