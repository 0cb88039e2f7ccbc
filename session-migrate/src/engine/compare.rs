//! Reads both sides row by row: what the source asks for, and what the target holds.

use std::sync::Arc;

use super::batch::{BatchSize, Scan, decode_each};
use super::context::MoveContext;
use super::examine::{Examined, Examiner};
use super::mapped_table::{MappedTable, is_over_cap, over_cap_threshold};
use crate::error::MigrateError;
use crate::source::{OverCapPartitions, OverCapReader, SourceRow};

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
        let (target, keyring) = (context.target_table()?, Arc::clone(context.keyring()?));
        Ok(Self {
            rows: SourceRows::new(context, size),
            examiner: Examiner { context, target, keyring, is_open },
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

/// The rows of every table: first those that the cap cannot prune, then the over-cap partitions.
#[derive(Debug)]
struct SourceRows<'a> {
    context: &'a MoveContext,
    tables: std::slice::Iter<'a, MappedTable>,
    /// The table that is read; `None` before the first, and between two.
    position: Option<(&'a MappedTable, TablePosition)>,
    size: u32,
}

#[derive(Debug)]
enum TablePosition {
    Scan(Box<Scan>, Arc<OverCapPartitions>),
    /// In the over-cap partitions.
    OverCap(Box<OverCapReader>),
}

impl<'a> SourceRows<'a> {
    fn new(context: &'a MoveContext, size: u32) -> Self {
        Self { context, tables: context.tables.iter(), position: None, size }
    }

    /// Returns the next rows and their table; `None` at the end.
    async fn next(&mut self) -> Result<Option<(&'a MappedTable, JudgedRows)>, MigrateError> {
        loop {
            let (table, position) = match self.position.take() {
                Some(position) => position,
                None => match self.tables.next() {
                    Some(table) => (table, self.first_position(table).await?),
                    None => return Ok(None),
                },
            };
            if let Some(rows) = self.read(table, position).await? {
                return Ok(Some((table, rows)));
            }
        }
    }

    async fn first_position(&self, table: &MappedTable) -> Result<TablePosition, MigrateError> {
        let source = &self.context.source;
        let over_cap = match over_cap_threshold(self.context.cap()) {
            Some(threshold) => table.source.over_cap_partitions(source, threshold).await?,
            None => OverCapPartitions::default(),
        };
        let scan = Box::new(Scan::new(&table.source, source, None));
        Ok(TablePosition::Scan(scan, Arc::new(over_cap)))
    }

    /// Reads at a position, and sets the next one; returns the rows, if there were some to read.
    async fn read(
        &mut self,
        table: &'a MappedTable,
        position: TablePosition,
    ) -> Result<Option<JudgedRows>, MigrateError> {
        match position {
            TablePosition::Scan(mut scan, over_cap) => {
                let Some(batch) = scan.next(self.size).await? else {
                    let reader = over_cap_threshold(self.context.cap()).map(OverCapReader::new);
                    self.position =
                        reader.map(|reader| (table, TablePosition::OverCap(Box::new(reader))));
                    return Ok(None);
                };
                self.position = Some((table, TablePosition::Scan(scan, Arc::clone(&over_cap))));
                let rows = decode_each(&table.source, batch.rows, move |row| {
                    Ok((!is_over_cap(&over_cap, &row)).then_some((row, false)))
                });
                Ok(Some(rows.await?.into_iter().flatten().collect()))
            }
            TablePosition::OverCap(mut reader) => {
                let size = BatchSize::over_cap(self.context.batch());
                let source = &self.context.source;
                let page = table.source.next_over_cap(source, &mut reader, size, |row| row);
                let Some(rows) = page.await? else { return Ok(None) };
                self.position = Some((table, TablePosition::OverCap(reader)));
                Ok(Some(table.judge(self.context.cap(), rows)?))
            }
        }
    }
}
