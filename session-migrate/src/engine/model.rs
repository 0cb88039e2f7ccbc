use std::sync::Arc;
use std::time::Duration;

use sea_orm_migration::sea_orm::DatabaseConnection;
use session_core::{Clock, Keyring, SessionId};
use tokio_util::sync::CancellationToken;

use super::gates::gates;
use crate::cap::Cap;
use crate::capture::RetryBudget;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::JournalTable;
use crate::options::MoveOptions;
use crate::progress::Teller;
use crate::source::{Mappings, SourceTable};
use crate::sql::{Dialect, Schema};
use crate::target::{Gate, TargetTable};

/// For how long triggers wait for the transactions of others.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a move stands on.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) options: MoveOptions,
    pub(crate) source: DatabaseConnection,
    pub(crate) target: DatabaseConnection,
    pub(crate) schema: Schema,
    pub(crate) mappings: Mappings,
    pub(crate) tables: Vec<Arc<SourceTable>>,
    /// The name of each table's mapping, and by what its rows are newer.
    pub(crate) gates: Vec<Gate>,
    pub(crate) id: SessionId,
    pub(crate) journal: JournalTable,
    pub(crate) teller: Teller,
    pub(crate) cancel: CancellationToken,
}

impl Ground {
    pub(crate) fn clock(&self) -> &dyn Clock {
        self.options.clock.as_ref()
    }

    pub(crate) const fn cap(&self) -> &Cap {
        &self.options.cap
    }

    /// The keys of the target.
    pub(crate) fn keyring(&self) -> Result<&Arc<Keyring>, MigrateError> {
        self.options.keyring.as_ref().ok_or_else(|| {
            MigrateError::because(MigrateErrorKind::Keys, "none were given; set SESSION_KEYS")
        })
    }

    /// The target's tables, written by this move and sealed with its keys.
    pub(crate) fn target_table(&self) -> Result<TargetTable, MigrateError> {
        let seal_key = self.keyring()?.sealing_key_id().to_owned();
        Ok(TargetTable::new(self.dialect(), self.id.as_uuid(), &seal_key))
    }

    /// The target's kind.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect::of(self.target.get_database_backend())
    }

    /// How the rows of a mapping arrive now.
    pub(crate) fn gate(&self, mapping: usize) -> Option<Gate> {
        let gate = self.gates.get(mapping)?;
        Some(Gate { now: self.clock().now(), ..gate.clone() })
    }

    /// For how long triggers wait for the transactions of others.
    pub(crate) fn patience(&self) -> RetryBudget {
        RetryBudget::new(Arc::clone(&self.options.clock), PATIENCE)
    }

    pub(crate) fn is_cancelled(&self) -> Result<(), MigrateError> {
        match self.cancel.is_cancelled() {
            true => Err(MigrateError::new(MigrateErrorKind::Cancelled)),
            false => Ok(()),
        }
    }

    /// Changes options that decide how rows are ranked, and what follows from them.
    pub(crate) fn adopt(
        &mut self,
        change: impl FnOnce(&mut MoveOptions),
    ) -> Result<(), MigrateError> {
        change(&mut self.options);
        self.gates = gates(&self.options, &self.mappings)?;
        Ok(())
    }

    pub(crate) async fn close(self) {
        // Nothing is left to be done on them.
        let _ = self.source.close().await;
        let _ = self.target.close().await;
    }
}
