//! Reads a table in batches whose size adapts.

use std::sync::Arc;
use std::time::Duration;

use session_core::clock::Clock;

use super::context::MoveContext;
use super::mapped_table::{MappedTable, over_cap_threshold};
use crate::cap::Cap;
use crate::error::MigrateError;
use crate::parallel::in_parallel;
use crate::source::{Cursor, ListOn, RawRow, SourceRow, SourceTable, UserCursor, UserOrder};

/// How long a batch should take, so that locks are short and a stop is quick.
const TARGET: Duration = Duration::from_millis(400);
const MIN_ROWS: u32 = 50;
const MAX_ROWS: u32 = 2000;
const DEFAULT_ROWS: u32 = 500;
const DEFAULT_EXCLUSIVE_ROWS: u32 = 1500;

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

/// Rows as they are stored, and the text of the position after them.
#[derive(Debug)]
pub(crate) struct ScanBatch {
    pub(crate) rows: Vec<RawRow>,
    /// `None` at the end.
    pub(crate) next: Option<String>,
}

/// Reads a table's rows once: in the order of its key, or user by user.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    context: &'a MoveContext,
    table: &'a SourceTable,
    position: ScanPosition,
}

#[derive(Debug)]
enum ScanPosition {
    Key(Option<Cursor>),
    User(Option<UserOrder>, Option<UserCursor>),
    End,
}

impl<'a> Scan<'a> {
    /// Creates a scan in the order of the key.
    pub(crate) fn new(context: &'a MoveContext, table: &'a SourceTable) -> Self {
        Self { context, table, position: ScanPosition::Key(None) }
    }

    /// Creates a scan whose batches can be judged by the cap: if there is one, of whole users.
    pub(crate) fn under_cap(context: &'a MoveContext, table: &'a SourceTable) -> Self {
        let position = match over_cap_threshold(context.cap()) {
            None => ScanPosition::Key(None),
            Some(_) => ScanPosition::User(None, None),
        };
        Self { context, table, position }
    }

    /// Returns this scan at the position of this text, if it is one of such a scan.
    pub(crate) fn from(mut self, after: Option<&str>) -> Self {
        match &mut self.position {
            ScanPosition::Key(at) => *at = after.and_then(|text| text.parse().ok()),
            ScanPosition::User(_, at) => *at = after.and_then(|text| text.parse().ok()),
            ScanPosition::End => {}
        }
        self
    }

    /// Returns the next rows as they are stored; `None` at the end.
    pub(crate) async fn next(&mut self, rows: u32) -> Result<Option<ScanBatch>, MigrateError> {
        let (table, connection) = (self.table, &self.context.source);
        let (rows, position, next) = match std::mem::replace(&mut self.position, ScanPosition::End)
        {
            ScanPosition::Key(after) => {
                let (rows, next) = table.raw_batch(connection, after.as_ref(), rows).await?;
                let text = next.as_ref().map(ToString::to_string);
                (rows, next.map(|cursor| ScanPosition::Key(Some(cursor))), text)
            }
            ScanPosition::User(order, after) => {
                let order = match order {
                    Some(order) => order,
                    None => {
                        let list_on = ListOn::Address(&self.context.options.from);
                        Box::pin(table.user_order(connection, list_on)).await?
                    }
                };
                let page = Box::pin(table.raw_by_user(connection, &order, after.as_ref(), rows));
                let (rows, next) = page.await?;
                let text = next.as_ref().map(ToString::to_string);
                (rows, next.map(|cursor| ScanPosition::User(Some(order), Some(cursor))), text)
            }
            ScanPosition::End => return Ok(None),
        };
        self.position = position.unwrap_or(ScanPosition::End);
        Ok(Some(ScanBatch { rows, next }))
    }
}

/// Decodes rows on two threads, and adds to each whether the cap prunes it. The rows are those of a
/// batch of a scan under the cap.
pub(crate) async fn decode_judged(
    cap: &Cap,
    table: &MappedTable,
    rows: Vec<RawRow>,
) -> Result<Vec<(SourceRow, bool)>, MigrateError> {
    table.judge(cap, decode(&table.source, rows).await?)
}

/// Decodes rows, on two threads; the results keep the order of the rows.
pub(crate) async fn decode(
    table: &Arc<SourceTable>,
    rows: Vec<RawRow>,
) -> Result<Vec<SourceRow>, MigrateError> {
    let table = Arc::clone(table);
    Ok(in_parallel(rows, move |row| table.decode(row)).await?)
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
