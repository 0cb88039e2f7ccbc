//! Reads a table in batches whose size adapts, and works on a batch with two threads.

use std::sync::Arc;
use std::time::Duration;

use sea_orm_migration::sea_orm::DatabaseConnection;
use session_core::clock::Clock;

use crate::error::{MigrateError, MigrateErrorKind};
use crate::source::{Cursor, RawBatch, RawRow, SourceRow, SourceTable};

/// How long a batch should take, so that locks are short and a stop is quick.
const TARGET: Duration = Duration::from_millis(400);
const MIN_ROWS: u32 = 50;
const MAX_ROWS: u32 = 2000;
const DEFAULT_ROWS: u32 = 500;
const DEFAULT_OVER_CAP_ROWS: u32 = 5000;
const DEFAULT_EXCLUSIVE_ROWS: u32 = 6000;

/// Two threads decode and seal; reading and writing occupy the others.
const THREADS: usize = 2;

/// The number of rows in a batch, which adapts to the time that a batch takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchSize {
    rows: u32,
    fixed: bool,
}

impl BatchSize {
    /// Creates a size of `fixed` rows, or one that adapts.
    pub(crate) fn new(fixed: Option<u32>) -> Self {
        Self { rows: fixed.unwrap_or(DEFAULT_ROWS).max(1), fixed: fixed.is_some() }
    }

    pub(crate) const fn rows(self) -> u32 {
        self.rows
    }

    /// Creates the size for a SQLite file that no other process writes. Rows touch the pages of the
    /// indexes in random order, so that many small transactions would write most pages again and
    /// again.
    pub(crate) fn exclusive(fixed: Option<u32>) -> Self {
        Self { rows: fixed.unwrap_or(DEFAULT_EXCLUSIVE_ROWS).max(1), fixed: true }
    }

    /// Returns the number of rows in a page of over-cap partitions. Each page reads the table twice
    /// where no index helps, so pages are large.
    pub(crate) fn over_cap(fixed: Option<u32>) -> u32 {
        fixed.unwrap_or(DEFAULT_OVER_CAP_ROWS)
    }

    /// Takes the number of rows that is set by now, if one is.
    pub(crate) const fn set(&mut self, rows: Option<u32>) {
        if let Some(rows) = rows {
            (self.rows, self.fixed) = (if rows == 0 { 1 } else { rows }, true);
        }
    }

    /// Adapts to the time that a batch took.
    pub(crate) fn adapt(&mut self, span: Duration) {
        if self.fixed {
            return;
        }
        let next = if span > TARGET { self.rows / 2 } else { self.rows.saturating_mul(2) };
        // Only a batch that was far off the target changes the size.
        if span > TARGET || span < TARGET / 3 {
            self.rows = next.clamp(MIN_ROWS, MAX_ROWS);
        }
    }
}

/// Reads a table's rows in the order of its key.
#[derive(Debug)]
pub(crate) struct Scan {
    table: Arc<SourceTable>,
    connection: DatabaseConnection,
    position: ScanPosition,
}

#[derive(Debug)]
enum ScanPosition {
    After(Option<Cursor>),
    End,
}

impl Scan {
    /// Creates a scan that begins after this cursor, or with the first row.
    pub(crate) fn new(
        table: &Arc<SourceTable>,
        connection: &DatabaseConnection,
        after: Option<Cursor>,
    ) -> Self {
        let position = ScanPosition::After(after);
        Self { table: Arc::clone(table), connection: connection.clone(), position }
    }

    /// Returns the next rows as they are stored, and the cursor after them; `None` at the end.
    pub(crate) async fn next(&mut self, rows: u32) -> Result<Option<RawBatch>, MigrateError> {
        let ScanPosition::After(after) = &self.position else { return Ok(None) };
        let batch = self.table.raw_batch(&self.connection, after.as_ref(), rows).await?;
        self.position = match &batch.next {
            Some(cursor) => ScanPosition::After(Some(cursor.clone())),
            None => ScanPosition::End,
        };
        Ok(Some(batch))
    }
}

/// Decodes each row and passes it to `work`, on two threads; the results keep the order of the rows.
pub(crate) async fn decode_each<T: Send + 'static>(
    table: &Arc<SourceTable>,
    rows: Vec<RawRow>,
    work: impl Fn(SourceRow) -> Result<T, MigrateError> + Send + Sync + 'static,
) -> Result<Vec<T>, MigrateError> {
    let table = Arc::clone(table);
    in_parallel(rows, move |row| work(table.decode(row))).await
}

/// Passes each row to `work`, on two threads; the results keep the order of the rows.
pub(crate) async fn in_parallel<R: Send + 'static, T: Send + 'static>(
    mut rows: Vec<R>,
    work: impl Fn(R) -> Result<T, MigrateError> + Send + Sync + 'static,
) -> Result<Vec<T>, MigrateError> {
    let work = Arc::new(work);
    let mut parts = Vec::new();
    let size = rows.len().div_ceil(THREADS).max(1);
    while !rows.is_empty() {
        let rest = rows.split_off(size.min(rows.len()));
        let part = std::mem::replace(&mut rows, rest);
        let work = Arc::clone(&work);
        parts.push(tokio::task::spawn_blocking(move || {
            part.into_iter().map(|row| work(row)).collect::<Result<Vec<T>, MigrateError>>()
        }));
    }
    let mut done = Vec::new();
    for part in parts {
        done.extend(part.await.map_err(stopped)??);
    }
    Ok(done)
}

/// Reports that the runtime is shutting down, or that a thread has panicked.
fn stopped(error: tokio::task::JoinError) -> MigrateError {
    MigrateError::new(MigrateErrorKind::Cancelled).caused_by(error)
}

/// Measures how long something takes.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    since: Duration,
}

impl Stopwatch {
    pub(crate) fn start(clock: &dyn Clock) -> Self {
        Self { since: clock.monotonic() }
    }

    /// Returns the time since the start or the last lap.
    pub(crate) fn lap(&mut self, clock: &dyn Clock) -> Duration {
        let now = clock.monotonic();
        now.saturating_sub(std::mem::replace(&mut self.since, now))
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchSize, MAX_ROWS, MIN_ROWS, TARGET};

    #[test]
    fn the_size_adapts_to_the_time() {
        let mut size = BatchSize::new(None);
        let first = size.rows();
        size.adapt(TARGET * 2);
        assert_eq!(size.rows(), first / 2);
        size.adapt(TARGET / 2);
        assert_eq!(size.rows(), first / 2, "near the target nothing changes");
        (0..20).for_each(|_| size.adapt(TARGET / 10));
        assert_eq!(size.rows(), MAX_ROWS);
        (0..20).for_each(|_| size.adapt(TARGET * 2));
        assert_eq!(size.rows(), MIN_ROWS);
        let mut fixed = BatchSize::new(Some(7));
        fixed.adapt(TARGET * 2);
        assert_eq!(fixed.rows(), 7);
    }
}
