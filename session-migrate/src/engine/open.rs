//! Opens and validates both databases of a move.

use std::sync::RwLock;

use sea_orm_migration::sea_orm::DatabaseConnection;
use sea_orm_migration::sea_orm::prelude::Uuid;
use tokio_util::sync::CancellationToken;

use super::context::MoveContext;
use super::mapped_table::MappedTable;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::JournalTable;
use crate::options::MoveOptions;
use crate::progress::ProgressSender;
use crate::source::{Codecs, Mappings, SourceError, SourceErrorKind, SourceIdentity, SourceTable};
use crate::sql::pool::{self, PoolOptions};
use crate::sql::{Dialect, Schema, connect_read_only};
use crate::target::move_id;

/// How many connections are opened to each database: one reads on while another one writes.
pub(crate) const CONNECTIONS: u32 = 3;

/// SQLite's cache during an online move: it holds the pages that a batch changes, so that the batch
/// does not keep others from reading.
const BATCH_CACHE_KIB: u32 = 4 * 1024;

/// Opens what a move needs. With `is_reading`, the connections cannot write, and a SQLite file that
/// does not exist is not created.
pub(crate) async fn open(
    options: MoveOptions,
    is_reading: bool,
) -> Result<MoveContext, MigrateError> {
    let (source, schema) = open_source(&options, is_reading).await?;
    let mappings = mappings(&options, &schema)?;
    let identity = identity(&options, &source).await?;
    let codecs = options.codecs.clone().with_keys_of(&source, &schema).await?;
    let tables = mapped_tables(&options, &source, &schema, (&mappings, &codecs, &identity)).await?;
    let target = open_target(&options, is_reading).await?;
    let id = move_id(&identity, mappings.mapping.iter().map(|of| (of.name(), of.table.as_str())));
    let dialect = Dialect::of(target.get_database_backend());
    Ok(MoveContext {
        journal: JournalTable { dialect, id, runner: Uuid::now_v7() },
        settings: RwLock::new(options.settings.clone()),
        options,
        source,
        target,
        schema,
        mappings,
        tables,
        identity,
        key_prints: codecs.fingerprints(),
        id,
        progress: ProgressSender::new(),
        cancel: CancellationToken::new(),
    })
}

/// Opens a source and its target without the mapped tables, which may be gone. The move's id and
/// mappings are for the caller to set.
pub(crate) async fn open_unmapped(
    options: MoveOptions,
    is_reading: bool,
) -> Result<MoveContext, MigrateError> {
    let (source, schema) = open_source(&options, is_reading).await?;
    let identity = identity(&options, &source).await?;
    let target = open_target(&options, is_reading).await?;
    let id = move_id(&identity, std::iter::empty());
    let dialect = Dialect::of(target.get_database_backend());
    Ok(MoveContext {
        journal: JournalTable { dialect, id, runner: Uuid::now_v7() },
        key_prints: options.codecs.fingerprints(),
        settings: RwLock::new(options.settings.clone()),
        options,
        source,
        target,
        schema,
        mappings: Mappings { mapping: Vec::new() },
        tables: Vec::new(),
        identity,
        id,
        progress: ProgressSender::new(),
        cancel: CancellationToken::new(),
    })
}

async fn open_source(
    options: &MoveOptions,
    is_reading: bool,
) -> Result<(DatabaseConnection, Schema), MigrateError> {
    let source = match is_reading {
        true => connect_read_only(&options.from).await.map_err(SourceError::from)?,
        false => PoolOptions::new(CONNECTIONS).connect(&pool::existing(&options.from)).await?,
    };
    let schema = Schema::read(&source).await.map_err(SourceError::from)?;
    Ok((source, schema))
}

async fn identity(
    options: &MoveOptions,
    source: &DatabaseConnection,
) -> Result<SourceIdentity, MigrateError> {
    match &options.name {
        Some(name) => Ok(SourceIdentity::named(name)),
        None => SourceIdentity::of(source).await.map_err(unidentified),
    }
}

fn unidentified(error: SourceError) -> MigrateError {
    let detail = "the source does not tell which database it is: give it a name with --name";
    MigrateError::because(MigrateErrorKind::Usage, detail).caused_by(error)
}

async fn mapped_tables(
    options: &MoveOptions,
    source: &DatabaseConnection,
    schema: &Schema,
    (mappings, codecs, identity): (&Mappings, &Codecs, &SourceIdentity),
) -> Result<Vec<MappedTable>, MigrateError> {
    let mut tables = Vec::new();
    for (number, mapping) in mappings.mapping.iter().enumerate() {
        let table = SourceTable::open(source, schema, mapping, codecs).await?;
        let table = match options.is_online {
            true => table,
            false => table.in_storage_order(source, schema).await,
        };
        tables.push(MappedTable::new(number, table, identity, &options.cap)?);
    }
    Ok(tables)
}

/// Opens the target. A SQLite file that does not exist is created where something is to be written.
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
    let is_moved = schema.tables.iter().any(|table| table.name == "login_session");
    let mappings = options.layout.mappings(schema).map_err(|mut detail| {
        if is_moved {
            detail
                .push_str("; the database already has many sessions for each user (login_session)");
        }
        SourceError::because(SourceErrorKind::Schema, detail)
    })?;
    match mappings.mapping.iter().find(|mapping| mapping.table == "login_session") {
        Some(_) => Err(MigrateError::because(
            MigrateErrorKind::AlreadyMoved,
            "login_session holds one row for each session; there is nothing to move",
        )),
        None => Ok(mappings),
    }
}
