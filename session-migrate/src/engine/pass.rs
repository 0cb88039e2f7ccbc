//! One pass through a mapped table: batches are read ahead, and worked on by two threads.

use std::sync::Arc;
use std::time::Duration;

use sea_orm_migration::sea_orm::DatabaseConnection;
use session_core::clock::Clock;

use crate::error::{MigrateError, MigrateErrorKind};
use crate::source::{Cursor, RawBatch, RawRow, SourceRow, SourceTable};

/// How long a batch may take, so that locks are short and a stop is quick.
const TARGET: Duration = Duration::from_millis(400);
const SMALLEST: u32 = 50;
const LARGEST: u32 = 2000;
const FIRST: u32 = 500;
const CROWDS: u32 = 5000;
const ALONE: u32 = 6000;

/// Two: reading and writing keep the others busy.
const THREADS: usize = 2;

/// The size of batches, which adapts to the time that one takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchSize {
    rows: u32,
    fixed: bool,
}

impl BatchSize {
    pub(crate) fn new(fixed: Option<u32>) -> Self {
        Self { rows: fixed.unwrap_or(FIRST).max(1), fixed: fixed.is_some() }
    }

    pub(crate) const fn rows(self) -> u32 {
        self.rows
    }

    /// For a SQLite file to which nobody else writes. Each transaction writes the pages of all
    /// indexes that it touches, and rows touch them in no order: small ones write every page anew.
    pub(crate) fn alone(fixed: Option<u32>) -> Self {
        Self { rows: fixed.unwrap_or(ALONE).max(1), fixed: true }
    }

    /// The size of a page of crowds, each of which reads the table twice where no index helps.
    pub(crate) fn crowds(fixed: Option<u32>) -> u32 {
        fixed.unwrap_or(CROWDS)
    }

    /// Takes notice of how long a batch took.
    pub(crate) fn took(&mut self, span: Duration) {
        if self.fixed {
            return;
        }
        let next = if span > TARGET { self.rows / 2 } else { self.rows.saturating_mul(2) };
        // Only a batch that was far from the target changes the size.
        if span > TARGET || span < TARGET / 3 {
            self.rows = next.clamp(SMALLEST, LARGEST);
        }
    }
}

/// Reads a table's rows in the order of its key.
#[derive(Debug)]
pub(crate) struct Pass {
    table: Arc<SourceTable>,
    connection: DatabaseConnection,
    at: At,
}

#[derive(Debug)]
enum At {
    After(Option<Cursor>),
    End,
}

impl Pass {
    pub(crate) fn new(
        table: &Arc<SourceTable>,
        connection: &DatabaseConnection,
        after: Option<Cursor>,
    ) -> Self {
        Self { table: Arc::clone(table), connection: connection.clone(), at: At::After(after) }
    }

    /// The next rows as they are stored, and the cursor behind them; `None` at the end.
    pub(crate) async fn next(&mut self, rows: u32) -> Result<Option<RawBatch>, MigrateError> {
        let At::After(after) = &self.at else { return Ok(None) };
        let batch = self.table.raw_batch(&self.connection, after.as_ref(), rows).await?;
        self.at = match &batch.next {
            Some(cursor) => At::After(Some(cursor.clone())),
            None => At::End,
        };
        Ok(Some(batch))
    }
}

/// Does something with each row, opened, on two threads; the results keep the rows' order.
pub(crate) async fn each<T: Send + 'static>(
    table: &Arc<SourceTable>,
    rows: Vec<RawRow>,
    work: impl Fn(SourceRow) -> Result<T, MigrateError> + Send + Sync + 'static,
) -> Result<Vec<T>, MigrateError> {
    let table = Arc::clone(table);
    in_parts(rows, move |row| work(table.decode(row))).await
}

/// The same, for rows that are opened already.
pub(crate) async fn in_parts<R: Send + 'static, T: Send + 'static>(
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

/// The runtime is going down, or a thread has panicked.
fn stopped(error: tokio::task::JoinError) -> MigrateError {
    MigrateError::new(MigrateErrorKind::Cancelled).caused_by(error)
}

/// How long something took.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    since: Duration,
}

impl Stopwatch {
    pub(crate) fn start(clock: &dyn Clock) -> Self {
        Self { since: clock.monotonic() }
    }

    pub(crate) fn lap(&mut self, clock: &dyn Clock) -> Duration {
        let now = clock.monotonic();
        now.saturating_sub(std::mem::replace(&mut self.since, now))
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchSize, LARGEST, SMALLEST, TARGET};

    #[test]
    fn the_size_follows_the_time() {
        let mut size = BatchSize::new(None);
        let first = size.rows();
        size.took(TARGET * 2);
        assert_eq!(size.rows(), first / 2);
        size.took(TARGET / 2);
        assert_eq!(size.rows(), first / 2, "near the target nothing changes");
        (0..20).for_each(|_| size.took(TARGET / 10));
        assert_eq!(size.rows(), LARGEST);
        (0..20).for_each(|_| size.took(TARGET * 2));
        assert_eq!(size.rows(), SMALLEST);
        let mut fixed = BatchSize::new(Some(7));
        fixed.took(TARGET * 2);
        assert_eq!(fixed.rows(), 7);
    }
}
