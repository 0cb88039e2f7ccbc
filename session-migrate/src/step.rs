//! A move as one step of an application's own migrator.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use sea_orm_migration::sea_orm::{
    ConnectionTrait as _, DatabaseExecutor, DbBackend, DbErr, Statement,
};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::error::{MigrateError, MigrateErrorKind};
use crate::moves::{Approval, Move, Renewed};
use crate::options::MoveOptions;
use crate::sql::connect_read_only;

/// What a step is made of when it runs.
type Words = dyn Fn() -> Result<MoveOptions, Box<dyn Error + Send + Sync>> + Send + Sync;

/// A move as one step of an application's own `Migrator`, after the steps that make the tables.
///
/// A migrator of sea-orm notes the name of a step when it is done, and nothing else. This step
/// brings the rest with it: the move's lock, so that a second process is told that one is at work;
/// its journal, in which each batch is noted in its own transaction, so that a process that was
/// killed goes on where it was; and the words that the journal has noted, so that a step whose
/// mapping, cap or mode has changed since it was begun is an error. A move that is done, by this
/// step or by the command, is left as it is.
///
/// `down` takes the move back, and writes renewed tokens into the source. After a `finalize` it is
/// an error. The tables stay: the steps that made them take them away.
///
/// The words are asked for when the step runs, not when the migrator lists its steps: `status`
/// needs no keys.
///
/// # The database
///
/// [`MoveOptions`] name it by its address, the same that the application connects with. A migrator
/// has one pool, whose options and size are the application's, and no address can be had from it
/// that leads to the same place for certain; the move needs several connections, and on a server
/// one for its lock. So the step opens its own, and refuses an address whose database is not the
/// migrator's. It works in transactions of its own, and refuses a migrator that is in one: on
/// SQLite each would wait for the other.
///
/// # Example
///
/// ```
/// use sea_orm_migration::{MigrationTrait, MigratorTrait};
/// use session_core::Keyring;
/// use session_migrate::source::{Codecs, Preset, SourceKeys};
/// use session_migrate::{Layout, MoveOptions, MoveSessions};
///
/// struct Migrator;
///
/// impl MigratorTrait for Migrator {
///     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
///         let mut steps = session_migrate::migrations();
///         steps.push(Box::new(MoveSessions::new("m20261201_000001_move_sessions", || {
///             let url = std::env::var("DATABASE_URL")?;
///             let key = std::env::var("WEBUI_SECRET_KEY")?;
///             let preset: Preset = "openwebui".parse()?;
///             Ok(MoveOptions::new(url, Layout::Preset(preset))
///                 .codecs(Codecs::new(SourceKeys::new(key)))
///                 .keyring(Keyring::parse(&std::env::var("SESSION_KEYS")?)?))
///         })));
///         steps
///     }
/// }
///
/// assert_eq!(Migrator::migrations().len(), 3);
/// ```
pub struct MoveSessions {
    name: String,
    words: Box<Words>,
}

impl MoveSessions {
    /// A step of this name, with the words that are given when it runs.
    ///
    /// The name is what the migrator notes: it never changes once it was applied somewhere.
    pub fn new(
        name: impl Into<String>,
        words: impl Fn() -> Result<MoveOptions, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), words: Box::new(words) }
    }

    /// The move, in the migrator's database.
    async fn open(&self, manager: &SchemaManager<'_>) -> Result<Move, DbErr> {
        let DatabaseExecutor::Connection(_) = manager.get_connection() else {
            return Err(self.failed(&MigrateError::because(
                MigrateErrorKind::Usage,
                "the migrator is in a transaction, and a move has transactions of its own: give \
                 the migrator a connection",
            )));
        };
        let mut options = (self.words)().map_err(|error| self.failed(&*error))?;
        options.is_step = true;
        self.require_same(manager, options.target()).await?;
        Ok(Move::new(options))
    }

    /// Refuses an address whose database is not the migrator's.
    async fn require_same(&self, manager: &SchemaManager<'_>, url: &str) -> Result<(), DbErr> {
        let there = connect_read_only(url).await.map_err(|error| self.failed(&error))?;
        let mine = manager.get_connection();
        let is_same = match mine.get_database_backend() == there.get_database_backend() {
            true => place(mine).await? == place(&there).await?,
            false => false,
        };
        // Nothing is left to be done on it.
        let _ = there.close().await;
        match is_same {
            true => Ok(()),
            false => Err(self.failed(&MigrateError::because(
                MigrateErrorKind::Usage,
                "the address is not that of the migrator's database",
            ))),
        }
    }

    /// An error with its causes, in the one form that a migrator passes on.
    fn failed(&self, error: &(dyn Error + 'static)) -> DbErr {
        let mut text = format!("{}: {error}", self.name);
        let mut cause = error.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        DbErr::Migration(text)
    }
}

/// What tells a database from others of its kind, as far as it says so itself.
async fn place(
    connection: &impl sea_orm_migration::sea_orm::ConnectionTrait,
) -> Result<Option<String>, DbErr> {
    let backend = connection.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => {
            "SELECT current_database()::text || '.' || current_schema()::text || ' of ' || \
             (SELECT oid FROM pg_database WHERE datname = current_database())::text"
        }
        DbBackend::MySql => "SELECT CONCAT(DATABASE(), ' of ', @@hostname, ' ', @@port)",
        _ => "SELECT file FROM pragma_database_list WHERE name = 'main'",
    };
    let row = connection.query_one_raw(Statement::from_string(backend, sql)).await?;
    row.map_or(Ok(None), |row| row.try_get_by_index(0))
}

/// Does the work on a thread of its own: a migrator asks for a future that may change threads.
///
/// Where the migrator is dropped the work stops after the batch that is under way.
async fn alone<T: Send + 'static>(
    moving: Move,
    work: impl AsyncFnOnce(&Move) -> Result<T, MigrateError> + Send + 'static,
) -> Result<T, MigrateError> {
    let stop = moving.cancellation().drop_guard();
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(Box::pin(work(&moving)))).await;
    drop(stop);
    done.map_err(|error| MigrateError::new(MigrateErrorKind::Cancelled).caused_by(error))?
}

impl MigrationName for MoveSessions {
    fn name(&self) -> &str {
        &self.name
    }
}

#[async_trait]
impl MigrationTrait for MoveSessions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let moving = self.open(manager).await?;
        let applied = alone(moving, async |moving| moving.apply(Approval::Unseen).await).await;
        applied.map(drop).map_err(|error| self.failed(&error))
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let moving = self.open(manager).await?;
        let back = alone(moving, async |moving| moving.rollback(Renewed::WriteBack).await);
        match back.await {
            Ok(_) => Ok(()),
            // It was taken back by the command, or never begun.
            Err(error) if error.kind() == MigrateErrorKind::NoMove => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The move's transactions are its own: each batch is one, with its note in the journal.
    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}

impl fmt::Debug for MoveSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoveSessions").field("name", &self.name).finish_non_exhaustive()
    }
}
