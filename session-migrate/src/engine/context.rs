//! The opened databases of a move, and its options.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sea_orm_migration::sea_orm::{DatabaseConnection, DatabaseTransaction};
use session_core::clock::Clock;
use session_core::{Keyring, SessionId};
use tokio_util::sync::CancellationToken;

use super::mapped_table::MappedTable;
use crate::cap::Cap;
use crate::capture::RetryBudget;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Checkpoint, JournalTable};
use crate::options::{MoveOptions, MoveSpec};
use crate::progress::ProgressSender;
use crate::settings::MoveSettings;
use crate::source::{KeyPrints, Mappings, SourceIdentity};
use crate::sql::{Dialect, Schema, begin};
use crate::target::TargetTable;

/// How long creating or dropping triggers waits for the transactions of others.
const TRIGGER_TIMEOUT: Duration = Duration::from_secs(120);

/// What every phase of a move works with.
#[derive(Debug)]
pub(crate) struct MoveContext {
    pub(crate) options: MoveOptions,
    pub(crate) source: DatabaseConnection,
    pub(crate) target: DatabaseConnection,
    pub(crate) schema: Schema,
    pub(crate) mappings: Mappings,
    /// The table of each mapping, in the order of the mappings.
    pub(crate) tables: Vec<MappedTable>,
    pub(crate) identity: SourceIdentity,
    /// Digests of the source's keys, the current one first.
    pub(crate) key_prints: KeyPrints,
    pub(crate) id: SessionId,
    pub(crate) journal: JournalTable,
    pub(crate) progress: ProgressSender,
    pub(crate) cancel: CancellationToken,
    /// The settings of this process, over those of the move; both may change at a resume.
    pub(crate) settings: RwLock<MoveSettings>,
}

impl MoveContext {
    pub(crate) fn clock(&self) -> &dyn Clock {
        self.options.clock.as_ref()
    }

    pub(crate) const fn cap(&self) -> &Cap {
        &self.options.cap
    }

    /// Returns the settings as they are now.
    pub(crate) fn settings(&self) -> MoveSettings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over the settings of the move, but for those that this process was given.
    pub(crate) fn adopt_settings(&self, stored: MoveSettings) {
        let settings = self.options.settings.clone().or(stored);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Takes over the settings of the move that a resume has changed, also over those that this process
    /// was given.
    pub(crate) fn change_settings(&self, before: &MoveSettings, after: &MoveSettings) {
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        settings.change(before, after);
    }

    /// Returns the number of rows in a batch, if it is set.
    pub(crate) fn batch(&self) -> Option<u32> {
        self.settings().batch
    }

    /// Returns the keys that seal tokens in the target.
    pub(crate) fn keyring(&self) -> Result<&Arc<Keyring>, MigrateError> {
        self.options.keyring.as_ref().ok_or_else(|| {
            MigrateError::because(MigrateErrorKind::Keys, "none were given; set SESSION_KEYS")
        })
    }

    /// Returns what to do where no row opens.
    pub(crate) const fn key_advice(&self) -> &'static str {
        match self.key_prints.is_empty() {
            true => "no key was given: set SESSION_MIGRATE_SOURCE_KEY",
            false => "give the source's key, and older ones with it",
        }
    }

    /// Returns the target's tables, as this move writes them.
    pub(crate) fn target_table(&self) -> Result<TargetTable, MigrateError> {
        let seal_key = self.keyring()?.sealing_key_id().to_owned();
        Ok(TargetTable::new(self.dialect(), self.id.as_uuid(), &seal_key))
    }

    /// Returns the target's dialect.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect::of(self.target.get_database_backend())
    }

    /// Returns the table that a checkpoint is in; `None` once all tables have been read.
    pub(crate) fn table_at(&self, checkpoint: &Checkpoint) -> Option<&MappedTable> {
        self.tables.get(checkpoint.mapping)
    }

    /// Returns how long creating triggers may wait for the transactions of others: until the caller
    /// asks to stop.
    pub(crate) fn creation_budget(&self) -> RetryBudget {
        self.trigger_budget().cancelled_by(self.cancel.clone())
    }

    /// Returns how long dropping triggers may wait for the transactions of others.
    pub(crate) fn trigger_budget(&self) -> RetryBudget {
        RetryBudget::new(Arc::clone(&self.options.clock), TRIGGER_TIMEOUT)
    }

    /// Begins a transaction on the target, during which no other process can take the move over.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Lost` if one has.
    pub(crate) async fn begin_leased(&self) -> Result<DatabaseTransaction, MigrateError> {
        let transaction = begin(&self.target).await?;
        self.journal.require_lease(&transaction).await?;
        Ok(transaction)
    }

    /// Does work on the source, during which no other process can take the move over. The lock on a
    /// SQLite file is the system's and certain, so there the lease is only proven before.
    pub(crate) async fn leased<T>(
        &self,
        work: impl Future<Output = Result<T, MigrateError>>,
    ) -> Result<T, MigrateError> {
        let lease = self.begin_leased().await?;
        if self.dialect() == Dialect::Sqlite {
            lease.rollback().await?;
            return work.await;
        }
        let done = work.await;
        // It wrote nothing, so its end has no consequence.
        let _ = lease.rollback().await;
        done
    }

    /// Returns an error of the kind `Cancelled` if the caller asked to stop.
    pub(crate) fn check_cancelled(&self) -> Result<(), MigrateError> {
        match self.cancel.is_cancelled() {
            true => Err(MigrateError::new(MigrateErrorKind::Cancelled)),
            false => Ok(()),
        }
    }

    /// Takes over the options of a move that was begun, and what follows from them.
    ///
    /// # Errors
    ///
    /// Returns an error if others were given.
    pub(crate) fn adopt(&mut self, spec: &MoveSpec) -> Result<(), MigrateError> {
        self.options.adopt(spec).map_err(|others| {
            let others = others.join(" and another ");
            let detail = format!("this move was begun with another {others}: leave it out");
            MigrateError::because(MigrateErrorKind::Usage, detail)
        })?;
        self.tables.iter_mut().try_for_each(|table| table.set_cap(&self.options.cap))
    }

    pub(crate) async fn close(self) {
        // All work on the connections is done, so an error has no consequence.
        let _ = self.source.close().await;
        let _ = self.target.close().await;
    }
}
