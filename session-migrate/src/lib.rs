//! Moves databases that were built for one session a user and provider to many, and keeps the tables
//! of session-core.
//!
//! # The tables
//!
//! Three ways to them, on SQLite, PostgreSQL, MySQL 8 and MariaDB:
//!
//! - the command: `session-migrate up --to postgres://…`;
//! - [`up`], which is what the command does: one process at a time, safe to run again;
//! - the steps themselves among your own, with [`migrations`]:
//!
//! ```
//! use sea_orm_migration::{MigrationTrait, MigratorTrait};
//!
//! struct Migrator;
//!
//! impl MigratorTrait for Migrator {
//!     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
//!         let mut steps = session_migrate::migrations();
//!         // steps.extend(your own);
//!         steps.truncate(steps.len());
//!         steps
//!     }
//! }
//!
//! assert_eq!(Migrator::migrations()[0].name(), "m20260101_000001_create_session_tables");
//! ```
//!
//! A released step never changes; what is new comes in a new step.
//!
//! # A move
//!
//! [`Move`] takes the rows of an existing table into the many-session layout: [`Move::plan`] says
//! what would happen, [`Move::apply`] does it and goes on where it was stopped, [`Move::verify`]
//! compares both sides, [`Move::rollback`] takes it back. The rows may lie in the same database or
//! in another one, and an application may go on writing meanwhile.
//!
//! ```text
//! source  -> Mapping -> SourceRow -> arrival (live, aside) -> sealed -> login_session
//! cap     -> the policy's own function, over the rows of crowded pairs
//! journal -> in the transaction of each batch; a change log, and at the end a bar, on the source
//! ```
//!
//! [`MoveSessions`] does it as a step of your migrator, and the command does the same; [`guide`]
//! leads through it. [`prune`] enforces a cap in place, for those who keep their own table.
//!
//! # Features
//!
//! - `sqlite`, `postgres`, `mysql`: the databases to speak to.
//! - `cli` (default): the command, with all three.
//!
//! Ids in comments, such as `F13`, lead to [`session_core::documentation`].

pub mod cap;

pub mod capture;
mod engine;
mod error;
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}
mod journal;
mod layout;
mod lock;
mod migrations;
mod moves;
mod options;
mod plan;
mod progress;
pub mod prune;
pub mod source;
mod sql;
mod step;
mod target;
mod verify;

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::DynIden;
use sea_orm_migration::sea_orm::sea_query::{Alias, IntoIden};

pub use error::{MigrateError, MigrateErrorKind};
pub use journal::{Counts, Phase};
pub use moves::{
    ApplyReport, Approval, FinalizeReport, LostSignIn, Move, MoveStatus, PauseReport, Renewed,
    RollbackReport, StatusReport, UnlockReport, status as move_status,
};
pub use options::{Layout, MoveOptions};
pub use plan::{Estimate, Plan, PlannedMapping, PlannedVictim};
pub use progress::Progress;
pub use step::MoveSessions;
pub use verify::{Difference, RowReport, VerifyReport};

/// The steps that create the tables, the oldest first, for a `Migrator` of your own.
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(migrations::CreateSessionTables), Box::new(migrations::AddMoves)]
}

/// The steps as a migrator of their own.
///
/// It notes what it applied in the table `session_migration`, apart from an application's
/// `seaql_migrations`. It takes no lock: where several processes may start at once, use [`up`].
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations()
    }

    fn migration_table_name() -> DynIden {
        Alias::new("session_migration").into_iden()
    }
}

/// A step, and whether a database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Whether it was applied.
    pub is_applied: bool,
}

/// Applies every step that the database does not have yet; gives their names.
///
/// Several processes may call it at once: one works, the others wait up to a minute for it. A step
/// that died half way is run again.
///
/// # Errors
///
/// [`MigrateError`], which never has the address's password in it.
pub async fn up(url: &str) -> Result<Vec<String>, MigrateError> {
    let runner = migrations::Runner::open(url).await?;
    let applied = runner.run(migrations::Direction::Up).await;
    runner.close().await;
    applied
}

/// Takes every step back; gives their names.
///
/// # Errors
///
/// [`MigrateError`]
///
/// # Security
///
/// This drops the tables: everybody is signed out, and what is in the outbox of revocations is
/// never revoked at its provider.
pub async fn down(url: &str) -> Result<Vec<String>, MigrateError> {
    let runner = migrations::Runner::open(url).await?;
    let reverted = runner.run(migrations::Direction::Down).await;
    runner.close().await;
    reverted
}

/// The steps, and which of them the database has. Writes nothing.
///
/// # Errors
///
/// [`MigrateError`]
pub async fn status(url: &str) -> Result<Vec<Step>, MigrateError> {
    let runner = migrations::Runner::open(sql::pool::or_empty(url)).await?;
    let steps = runner.steps().await;
    runner.close().await;
    steps
}
