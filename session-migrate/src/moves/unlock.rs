//! Ends the connections of a process that hangs, by what the journal knows of them.

use sea_orm_migration::sea_orm::DatabaseConnection;
use sea_orm_migration::sea_orm::prelude::Uuid;
use session_core::SessionId;

use super::report::UnlockReport;
use crate::error::MigrateError;
use crate::journal::JournalTable;
use crate::lock::{Lock, end_connections};
use crate::options::MoveOptions;
use crate::sql::Dialect;
use crate::sql::pool::{self, PoolOptions};

/// Ends the connection that has the lock, after all others of the process that has it.
pub(super) async fn unlock(
    options: &MoveOptions,
    target: &DatabaseConnection,
) -> Result<UnlockReport, MigrateError> {
    let Some(holder) = Lock::connection_of_holder(options.target(), target).await? else {
        return Ok(UnlockReport::default());
    };
    let dialect = Dialect::of(target.get_database_backend());
    let id = SessionId::from_uuid(Uuid::nil());
    let journals = JournalTable { dialect, id, runner: Uuid::nil() }.all(target).await?;
    // Ids of connections are given again after a restart: those of a process count only while it has
    // the lock.
    let process = journals.into_iter().find(|of| of.connections.lock == Some(holder));
    let known = process.as_ref().map(|of| of.connections.clone()).unwrap_or_default();
    if !known.source.is_empty() {
        let source = PoolOptions::new(1).connect(&pool::existing(&options.from)).await?;
        let ended = end_connections(&source, &known.source).await;
        let _ = source.close().await;
        ended?;
    }
    end_connections(target, &known.target).await?;
    end_connections(target, &[holder]).await?;
    let connection = format!("connection {holder} of the database server");
    Ok(UnlockReport {
        taken_from: Some(match process.and_then(|of| of.owner) {
            Some(owner) => format!("{owner} ({connection})"),
            None => connection,
        }),
        ended_connections: known.source.len() + known.target.len() + 1,
        ..UnlockReport::default()
    })
}
