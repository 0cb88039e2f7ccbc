//! The watches of a move's tables: they log what others write, and block writes at the cutover.

use super::context::MoveContext;
use super::mapped_table::MappedTable;
use crate::capture::Watch;
use crate::error::MigrateError;

/// The watch of each mapped table.
#[derive(Debug)]
pub(crate) struct Watches<'a> {
    context: &'a MoveContext,
    watches: Vec<(&'a MappedTable, Watch)>,
}

impl<'a> Watches<'a> {
    /// Creates the watches of all mapped tables. An offline move goes on without a watch on a table
    /// that cannot have triggers.
    pub(crate) fn of(context: &'a MoveContext) -> Result<Self, MigrateError> {
        let mut watches = Vec::new();
        for table in &context.tables {
            match Watch::new(&table.source, table.number) {
                Ok(watch) => watches.push((table, watch)),
                Err(error) if context.options.is_online => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(Self { context, watches })
    }

    /// Returns each watch with its table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a MappedTable, &Watch)> {
        self.watches.iter().map(|(table, watch)| (*table, watch))
    }

    /// Starts to log what others write.
    pub(crate) async fn start(&self) -> Result<(), MigrateError> {
        for (_, watch) in &self.watches {
            watch.start(&self.context.source, &self.context.trigger_budget()).await?;
        }
        Ok(())
    }

    /// Blocks writes, after waiting for the ones under way.
    pub(crate) async fn block_writes(&self) -> Result<(), MigrateError> {
        for (_, watch) in &self.watches {
            watch.bar(&self.context.source, &self.context.trigger_budget()).await?;
        }
        Ok(())
    }

    /// Lets others write again.
    pub(crate) async fn unblock_writes(&self) -> Result<(), MigrateError> {
        for (_, watch) in &self.watches {
            watch.unbar(&self.context.source, &self.context.trigger_budget()).await?;
        }
        Ok(())
    }

    /// Drops triggers and logs.
    pub(crate) async fn stop(&self) -> Result<(), MigrateError> {
        for (_, watch) in &self.watches {
            watch.stop(&self.context.source, &self.context.trigger_budget()).await?;
        }
        Ok(())
    }
}
