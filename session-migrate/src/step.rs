//! A move as one step of an application's own migrator.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use sea_orm_migration::sea_orm::{DatabaseExecutor, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::error::{MigrateError, MigrateErrorKind};
use crate::moves::{Approval, Move};
use crate::options::{MoveOptions, Renewed};
use crate::source::{SourceError, SourceIdentity};
use crate::sql::connect_read_only;

/// Returns the options of the move when the step runs.
type OptionsFn = dyn Fn() -> Result<MoveOptions, Box<dyn Error + Send + Sync>> + Send + Sync;

/// A move as one step of an application's own `Migrator`, after the steps that create the tables.
///
/// A migrator of SeaORM records no more than the name of a step that is done. This step adds the rest:
/// the move's lock, so that a second process gets an error while one is at work; the journal, in which
/// each batch is recorded in its own transaction, so that a killed process goes on from its checkpoint;
/// and the options in the journal, so that a step whose mapping, cap or mode has changed since the move
/// began fails. A move that is done, by this step or by the command, is left as it is.
///
/// `down` rolls the move back, and writes renewed tokens back into the source. After a `finalize` it
/// fails. The tables stay until the steps that created them are reverted.
///
/// The options are requested when the step runs, not when the migrator lists its steps, so that
/// `status` needs no keys.
///
/// # The database
///
/// [`MoveOptions`] name the database by its address, which must be the one that the application
/// connects to. The move needs several connections, and on a server one for its lock; the migrator has
/// one pool, of the application's size and options, from which the address cannot be read back. So the
/// step opens its own connections, and refuses an address whose database is not the migrator's. It uses
/// its own transactions, and refuses a migrator that is in one: on SQLite each would wait for the other.
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
    options: Box<OptionsFn>,
}

impl MoveSessions {
    /// Creates a step with this name; `options` is called when the step runs.
    ///
    /// The migrator records the name, so it must never change once the step was applied anywhere.
    pub fn new(
        name: impl Into<String>,
        options: impl Fn() -> Result<MoveOptions, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), options: Box::new(options) }
    }

    /// Creates the move in the migrator's database.
    async fn open(&self, manager: &SchemaManager<'_>) -> Result<Move, DbErr> {
        let DatabaseExecutor::Connection(_) = manager.get_connection() else {
            return Err(self.failed(&MigrateError::because(
                MigrateErrorKind::Usage,
                "the migrator is in a transaction, and a move uses its own: give the migrator a \
                 connection",
            )));
        };
        let mut options = (self.options)().map_err(|error| self.failed(&*error))?;
        options.is_step = true;
        self.require_same(manager, options.target()).await?;
        Ok(Move::new(options))
    }

    /// Returns an error if the address is not that of the migrator's database.
    async fn require_same(&self, manager: &SchemaManager<'_>, url: &str) -> Result<(), DbErr> {
        let other = connect_read_only(url).await.map_err(|error| self.failed(&error))?;
        let identities = async {
            let own = SourceIdentity::of(manager.get_connection()).await?;
            Ok::<_, SourceError>((own, SourceIdentity::of(&other).await?))
        };
        let identities = identities.await;
        // Nothing is left to do on the connection.
        let _ = other.close().await;
        let (own, other) = identities.map_err(|error| self.failed(&error))?;
        match own == other {
            true => Ok(()),
            false => Err(self.failed(&MigrateError::because(
                MigrateErrorKind::Usage,
                "the address is not that of the migrator's database: give the address that the \
                 application connects to",
            ))),
        }
    }

    /// Flattens an error with its causes into the one form that a migrator passes on.
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

/// Runs the work on its own thread, because a migrator needs a future that is `Send`.
///
/// If the migrator is dropped, the work stops after the current batch.
async fn run_blocking<T: Send + 'static>(
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
        let applied =
            run_blocking(moving, async |moving| moving.apply(Approval::Unreviewed).await).await;
        applied.map(drop).map_err(|error| self.failed(&error))
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let moving = self.open(manager).await?;
        let rolled_back =
            run_blocking(moving, async |moving| moving.rollback(Renewed::WriteBack).await);
        match rolled_back.await {
            Ok(report) if report.is_done => Ok(()),
            Ok(report) => Err(self.failed(&MigrateError::because(
                MigrateErrorKind::Differs,
                format!(
                    "{} sign-ins cannot be written back: `session-migrate rollback` lists them",
                    report.lost.len()
                ),
            ))),
            // The move was rolled back by the command, or never begun.
            Err(error) if error.kind() == MigrateErrorKind::NoMove => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Returns `false`: the move uses its own transactions, one for each batch and its journal entry.
    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}

impl fmt::Debug for MoveSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoveSessions").field("name", &self.name).finish_non_exhaustive()
    }
}
