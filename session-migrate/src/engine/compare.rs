//! Reads both sides row by row: what the source asks for, and what the target holds.

use super::batch::{Scan, decode_judged};
use super::context::MoveContext;
use super::examine::{Examined, Examiner};
use super::mapped_table::MappedTable;
use crate::error::MigrateError;
use crate::source::SourceRow;

/// The default number of rows in a batch.
const DEFAULT_ROWS: u32 = 1000;

/// Rows of the source, each with whether the cap prunes it.
type JudgedRows = Vec<(SourceRow, bool)>;

/// Reads every table, and examines each row.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    rows: SourceRows<'a>,
    examiner: Examiner<'a>,
    /// Rows that were read while the ones before were examined.
    ahead: Option<(&'a MappedTable, JudgedRows)>,
}

impl<'a> Comparison<'a> {
    /// Creates a comparison; `is_open` says whether the target is open, so that its rows may have
    /// changed.
    pub(crate) fn new(context: &'a MoveContext, is_open: bool) -> Result<Self, MigrateError> {
        let size = context.batch().unwrap_or(DEFAULT_ROWS).max(1);
        Ok(Self {
            rows: SourceRows::new(context, size),
            examiner: Examiner::new(context, is_open)?,
            ahead: None,
        })
    }

    /// Returns the next rows and their table; `None` at the end.
    pub(crate) async fn next(
        &mut self,
    ) -> Result<Option<(&'a MappedTable, Vec<Examined>)>, MigrateError> {
        let now = match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.rows.next().await?,
        };
        let Some((table, rows)) = now else { return Ok(None) };
        let (examined, ahead) = tokio::join!(self.examiner.examine(table, rows), self.rows.next());
        self.ahead = ahead?;
        Ok(Some((table, examined?)))
    }
}

/// The rows of every table.
#[derive(Debug)]
struct SourceRows<'a> {
    context: &'a MoveContext,
    tables: std::slice::Iter<'a, MappedTable>,
    /// The table that is read; `None` before the first, and between two.
    scan: Option<(&'a MappedTable, Scan<'a>)>,
    size: u32,
}

impl<'a> SourceRows<'a> {
    fn new(context: &'a MoveContext, size: u32) -> Self {
        Self { context, tables: context.tables.iter(), scan: None, size }
    }

    /// Returns the next rows and their table; `None` at the end.
    async fn next(&mut self) -> Result<Option<(&'a MappedTable, JudgedRows)>, MigrateError> {
        loop {
            let Some((table, scan)) = &mut self.scan else {
                let Some(table) = self.tables.next() else { return Ok(None) };
                self.scan = Some((table, Scan::under_cap(self.context, &table.source)));
                continue;
            };
            let table = *table;
            match scan.next(self.size).await? {
                Some(batch) => {
                    return Ok(Some((
                        table,
                        decode_judged(self.context.cap(), table, batch.rows).await?,
                    )));
                }
                None => self.scan = None,
            }
        }
    }
}
