//! The captures of a move's tables: they log what others write, and block writes at the cutover.

use sea_orm_migration::sea_orm::DatabaseTransaction;

use super::context::MoveContext;
use super::mapped_table::MappedTable;
use crate::capture::{CaptureOwner, ChangeCapture};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::source::SourceError;
use crate::sql::begin;

/// The change capture of each mapped table.
#[derive(Debug)]
pub(crate) struct Captures<'a> {
    context: &'a MoveContext,
    captures: Vec<(&'a MappedTable, ChangeCapture)>,
    /// Why a table of an offline move has no capture.
    not_captured: Option<String>,
}

impl<'a> Captures<'a> {
    /// Creates the captures of all mapped tables. An offline move goes on without the
    /// capture of a table that cannot have triggers.
    pub(crate) fn of(context: &'a MoveContext, owner: &CaptureOwner) -> Result<Self, MigrateError> {
        let (mut captures, mut not_captured) = (Vec::new(), None);
        for table in &context.tables {
            match ChangeCapture::new(&table.source, table.number, owner) {
                Ok(capture) => captures.push((table, capture)),
                Err(error) if context.options.is_online => return Err(error.into()),
                Err(error) => not_captured = Some(error.to_string()),
            }
        }
        Ok(Self { context, captures, not_captured })
    }

    /// Returns each capture with its table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a MappedTable, &ChangeCapture)> {
        self.captures.iter().map(|(table, capture)| (*table, capture))
    }

    /// Returns why a table cannot have triggers; `None` if every table can.
    pub(crate) fn not_captured(&self) -> Option<&str> {
        self.not_captured.as_deref()
    }

    /// Starts to log what others write.
    pub(crate) async fn start(&self) -> Result<(), MigrateError> {
        self.context
            .leased(async {
                for (_, capture) in &self.captures {
                    let budget = self.context.creation_budget();
                    let started = capture.start(&self.context.source, &budget).await;
                    self.unless_cancelled(started)?;
                }
                Ok(())
            })
            .await
    }

    /// Blocks writes, after waiting for the ones under way.
    pub(crate) async fn block_writes(&self) -> Result<(), MigrateError> {
        self.context
            .leased(async {
                for (_, capture) in &self.captures {
                    let budget = self.context.creation_budget();
                    let blocked = capture.block(&self.context.source, &budget).await;
                    self.unless_cancelled(blocked)?;
                }
                Ok(())
            })
            .await
    }

    /// Returns the error of a wait that was cancelled as such.
    fn unless_cancelled(&self, done: Result<(), SourceError>) -> Result<(), MigrateError> {
        if done.is_err() {
            self.context.check_cancelled()?;
        }
        Ok(done?)
    }

    /// Returns the name of a table whose writes are not blocked; `None` if all are.
    pub(crate) async fn unblocked(&self) -> Result<Option<&'a str>, MigrateError> {
        for (table, capture) in self.iter() {
            if !capture.state(&self.context.source).await?.is_blocked {
                return Ok(Some(&table.mapping().table));
            }
        }
        Ok(None)
    }

    /// Returns how many entries the logs hold.
    pub(crate) async fn logged(&self) -> Result<u64, MigrateError> {
        let mut entries = 0;
        for (_, capture) in &self.captures {
            entries += capture.count(&self.context.source).await?;
        }
        Ok(entries)
    }

    /// Returns whether every trigger that logs a change is still there.
    pub(crate) async fn are_capturing(&self) -> Result<bool, MigrateError> {
        for (_, capture) in &self.captures {
            if !capture.state(&self.context.source).await?.is_capturing {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Begins a transaction on the source whose writes pass the block.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Phase` if a block does not stand, so that others may write.
    pub(crate) async fn begin_own_writes(&self) -> Result<DatabaseTransaction, MigrateError> {
        let transaction = begin(&self.context.source).await?;
        for (table, capture) in self.iter() {
            if !capture.state(&transaction).await?.is_blocked {
                return Err(not_blocked(&table.mapping().table));
            }
        }
        for (_, capture) in &self.captures {
            capture.begin_own_writes(&transaction).await?;
        }
        Ok(transaction)
    }

    /// Commits a transaction that [`begin_own_writes`](Self::begin_own_writes) began.
    pub(crate) async fn commit_own_writes(
        &self,
        transaction: DatabaseTransaction,
    ) -> Result<(), MigrateError> {
        for (_, capture) in &self.captures {
            capture.end_own_writes(&transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Returns an error of the kind `Phase` if writes to a table are not blocked any more.
    pub(crate) async fn require_blocked(&self) -> Result<(), MigrateError> {
        self.unblocked().await?.map_or(Ok(()), |table| Err(not_blocked(table)))
    }

    /// Lets others write again.
    pub(crate) async fn unblock_writes(&self) -> Result<(), MigrateError> {
        self.context
            .leased(async {
                for (_, capture) in &self.captures {
                    let budget = self.context.trigger_budget();
                    capture.unblock(&self.context.source, &budget).await?;
                }
                Ok(())
            })
            .await
    }

    /// Drops triggers and logs.
    pub(crate) async fn stop(&self) -> Result<(), MigrateError> {
        self.context
            .leased(async {
                for (_, capture) in &self.captures {
                    let budget = self.context.trigger_budget();
                    capture.stop(&self.context.source, &budget).await?;
                }
                Ok(())
            })
            .await
    }
}

fn not_blocked(table: &str) -> MigrateError {
    MigrateError::because(
        MigrateErrorKind::Phase,
        format!(
            "writes to {table} are not blocked any more, so it may hold newer tokens than the \
             target: --discard-renewed keeps what it has"
        ),
    )
}
