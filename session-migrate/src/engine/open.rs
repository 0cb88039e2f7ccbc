//! Opening the databases of a move, and holding its words against them.

use std::sync::Arc;

use sea_orm_migration::sea_orm::DatabaseConnection;
use sea_orm_migration::sea_orm::prelude::Uuid;
use tokio_util::sync::CancellationToken;

use super::gates::gates;
use super::model::Ground;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::JournalTable;
use crate::options::{Layout, MoveOptions};
use crate::progress::Teller;
use crate::source::{Mappings, SourceError, SourceErrorKind, SourceTable};
use crate::sql::pool::{self, PoolOptions};
use crate::sql::{Dialect, Schema, connect_read_only};
use crate::target::of_move;

/// Connections to a source or a target: one reads on while another one writes.
const CONNECTIONS: u32 = 3;

/// As many of SQLite's pages as a batch of rows changes, so that others go on reading meanwhile.
const BATCH_CACHE_KIB: u32 = 16 * 1024;

/// What a move needs, opened and checked. With `is_reading`, on connections that cannot write, and
/// without making a SQLite file that is not there.
pub(crate) async fn open(options: MoveOptions, is_reading: bool) -> Result<Ground, MigrateError> {
    let source = if is_reading {
        connect_read_only(&options.from).await.map_err(SourceError::from)?
    } else {
        PoolOptions::new(CONNECTIONS).connect(&pool::existing(&options.from)).await?
    };
    let schema = Schema::read(&source).await.map_err(SourceError::from)?;
    let mappings = mappings(&options, &schema)?;
    let codecs = options.codecs.clone().with_keys_of(&source, &schema).await?;
    let gates = gates(&options, &mappings)?;
    let mut tables = Vec::new();
    for mapping in &mappings.mapping {
        let table = SourceTable::open(&source, &schema, mapping, &codecs).await?;
        let table = match options.is_online {
            true => table,
            false => table.in_storage_order(&source, &schema).await,
        };
        tables.push(Arc::new(table));
    }
    let target = open_target(&options, is_reading).await?;
    let names = mappings.mapping.iter().map(|mapping| (mapping.name(), mapping.table.as_str()));
    let id = of_move(names);
    let dialect = Dialect::of(target.get_database_backend());
    Ok(Ground {
        journal: JournalTable { dialect, id, runner: Uuid::now_v7() },
        options,
        source,
        target,
        schema,
        tables,
        gates,
        id,
        mappings,
        teller: Teller::new(),
        cancel: CancellationToken::new(),
    })
}

/// The target. A SQLite file that is not there is made where something is to be written.
pub(crate) async fn open_target(
    options: &MoveOptions,
    is_reading: bool,
) -> Result<DatabaseConnection, MigrateError> {
    let pool = match options.is_online {
        true => PoolOptions::new(CONNECTIONS).cache_kib(BATCH_CACHE_KIB),
        false => PoolOptions::new(CONNECTIONS),
    };
    match (&options.to, is_reading) {
        (_, true) => Ok(connect_read_only(pool::or_empty(options.target())).await?),
        (None, false) => Ok(pool.connect(&pool::existing(&options.from)).await?),
        (Some(to), false) => Ok(pool.connect(&pool::created(to)).await?),
    }
}

fn mappings(options: &MoveOptions, schema: &Schema) -> Result<Mappings, MigrateError> {
    let mappings = match &options.layout {
        Layout::Mapped(mappings) => mappings.clone(),
        Layout::Preset(preset) => {
            preset.match_schema(schema).map_err(|miss| misfit(schema, &miss))?.mappings
        }
    };
    match mappings.mapping.iter().find(|mapping| mapping.table == "login_session") {
        Some(_) => Err(MigrateError::because(
            MigrateErrorKind::AlreadyMoved,
            "login_session has one row a session; there is nothing to move",
        )),
        None => Ok(mappings),
    }
}

fn misfit(schema: &Schema, miss: &crate::source::Mismatch) -> MigrateError {
    let is_moved = schema.tables.iter().any(|table| table.name == "login_session");
    let missing = miss.missing.join("; ");
    let detail = match (&miss.table, is_moved) {
        (None, true) => {
            format!(
                "{} is not here, and the database has many sessions a user already (login_session)",
                missing
            )
        }
        (None, false) => format!("the preset {} needs {missing}", miss.preset),
        (Some(table), _) => format!("the preset {} needs, in {table}: {missing}", miss.preset),
    };
    SourceError::because(SourceErrorKind::Schema, detail).into()
}
