//! Moves existing single-session tables to the many-session layout of `session-core`, and creates the
//! tables of that layout.
//!
//! Many services keep one token set for each user and provider, so that a sign-in on the phone
//! replaces the tokens that the laptop needs. This crate turns each row of such a table into a session
//! of [`session-core`](session_core), keeps the number of sessions within a cap, and can do so while
//! applications go on writing. It is a library and a command, `session-migrate`.
//!
//! # Creating the tables
//!
//! On SQLite, PostgreSQL, MySQL 8 and MariaDB there are four ways:
//!
//! - the command: `session-migrate up --to postgres://…`, which `cargo install session-migrate
//!   --features cli` installs;
//! - [`up`], which does the same: one process migrates at a time, and running it again is safe;
//! - the files `sql/sqlite.sql`, `postgres.sql`, `mysql.sql` and `mariadb.sql` of this crate, for a migrator
//!   of another kind: they make the same tables, and record it, so that the others find nothing to do;
//! - [`migrations`], the steps for an application's own migrator:
//!
//! ```
//! use sea_orm_migration::{MigrationTrait, MigratorTrait};
//!
//! struct Migrator;
//!
//! impl MigratorTrait for Migrator {
//!     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
//!         let mut steps = session_migrate::migrations();
//!         // steps.extend(the application's own steps);
//!         steps.truncate(steps.len());
//!         steps
//!     }
//! }
//!
//! assert_eq!(Migrator::migrations()[0].name(), "m20260101_000001_create_session_tables");
//! ```
//!
//! A released step never changes: changes come in new steps.
//!
//! # Moving existing rows
//!
//! A [`Move`] has an entry point for each command: [`Move::plan`] returns what would happen,
//! [`Move::apply`] carries it out and resumes after an interruption, [`Move::verify`] compares both
//! sides, [`Move::rollback`] undoes the move, and [`Move::finalize`] ends it. The target may be the
//! same database or another one.
//!
//! ```no_run
//! use session_core::Keyring;
//! use session_migrate::cap::Cap;
//! use session_migrate::source::{Codecs, SourceKeys};
//! use session_migrate::{Approval, Layout, Move, MoveOptions};
//!
//! # async fn run(keyring: Keyring) -> Result<(), Box<dyn std::error::Error>> {
//! let options = MoveOptions::new("sqlite://webui.db", Layout::Preset("openwebui".parse()?))
//!     .codecs(Codecs::new(SourceKeys::new("the WEBUI_SECRET_KEY")))
//!     .keyring(keyring)
//!     .cap(Cap::max_sessions(10.try_into()?));
//! let moving = Move::new(options);
//! let plan = moving.plan().await?;
//! moving.apply(Approval::Plan(plan.digest)).await?;
//! assert!(moving.verify(|_| ()).await?.is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! Each row passes through these stages:
//!
//! ```text
//! source   a mapping or a preset reads a row, and a codec opens its tokens
//! cap      the policy that decides at login ranks the rows of over-cap partitions
//! target   the row is planned (live, or quarantined), sealed, and written to login_session
//! journal  the progress is recorded in the transaction of each batch
//! ```
//!
//! An online move logs changes with triggers in the source, applies them, and blocks writes to the
//! source at the cutover. The [`guide`] explains each command, and [`MoveSessions`] runs a move as a
//! step of an application's migrator.
//!
//! # Modules
//!
//! | module | purpose |
//! |---|---|
//! | [`guide`] | how to plan, run, verify and undo a move |
//! | [`source`] | describes and reads the existing table: mappings, presets, codecs |
//! | [`cap`] | decides which rows a cap keeps |
//! | [`report`] | the plan and the reports of a move, which serialize to versioned JSON |
//! | [`prune`] | enforces a cap in the existing table, without moving it |
//! | [`capture`] | logs the writes to a table, and blocks them |
//!
//! # Features
//!
//! None is on by default:
//!
//! - `sqlite`, `postgres`, `mysql`: the kinds of databases that are supported.
//! - `cli`: the command, with all three kinds: `cargo run -p session-migrate --features cli`.
//!
//! Ids in comments, such as `F13`, lead to [`session_core::documentation`].

// Marks what needs a feature, on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod cap;

pub mod capture;
mod engine;
mod error;
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}
mod journal;
mod lock;
mod migrations;
mod moves;
mod options;
mod parallel;
mod progress;
pub mod prune;
mod settings;
pub mod source;
mod sql;
mod step;
mod target;
mod throttle;

pub use error::{MigrateError, MigrateErrorKind};
pub use journal::Phase;
pub use migrations::{Migrator, Step, steps as migrations};
pub use moves::{Approval, FailbackMode, Move, status as move_status, unblock, unblockable};
pub use options::{Layout, MoveOptions, Renewed};
pub use progress::{Activity, Progress};
pub use settings::{MoveSettings, OnThrottleTimeout, Wait};
pub use step::MoveSessions;

/// The plan and the reports of a move. Each serializes to a JSON form whose version is in its
/// `schema`.
pub mod report {
    pub use crate::journal::{Counts, FailbackCounts};
    pub use crate::moves::{
        ApplyReport, Difference, Estimate, FailbackReport, FinalizeReport, LiftedBlock, LostSignIn,
        MoveOutlook, MoveStatus, PauseReport, Plan, PlannedMapping, PrunedRow, RollbackReport,
        RowReport, SourceStatus, StatusReport, UnblockReport, UnlockReport, VerifyReport,
    };
}

/// Applies every step that the database does not have yet, and returns their names.
///
/// Several processes may call it at once: one works, and the others wait up to a minute for it. A step
/// that was interrupted is run again.
///
/// # Errors
///
/// Returns a [`MigrateError`] if the database cannot be reached, if another process holds the lock for
/// longer, or if a step fails. The error never contains the address's password.
pub async fn up(url: &str) -> Result<Vec<String>, MigrateError> {
    let runner = migrations::Runner::open(url).await?;
    let applied = runner.run(migrations::Direction::Up).await;
    runner.close().await;
    applied
}

/// Reverts every step, and returns their names.
///
/// # Errors
///
/// Returns a [`MigrateError`] in the same cases as [`up`], and one of the kind `Phase` while a move is
/// on record that is not finalized: its source would stay blocked.
///
/// # Security
///
/// This drops the tables: every user is signed out, and refresh tokens that wait in the outbox are
/// never revoked at their provider.
pub async fn down(url: &str) -> Result<Vec<String>, MigrateError> {
    let runner = migrations::Runner::open(url).await?;
    let reverted = runner.run(migrations::Direction::Down).await;
    runner.close().await;
    reverted
}

/// Returns the steps, and whether the database has each of them. Writes nothing.
///
/// # Errors
///
/// Returns a [`MigrateError`] if the database cannot be read.
pub async fn status(url: &str) -> Result<Vec<Step>, MigrateError> {
    let runner = migrations::Runner::open(sql::pool::or_empty(url)).await?;
    let steps = runner.steps().await;
    runner.close().await;
    steps
}
