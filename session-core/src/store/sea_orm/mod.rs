//! A store in SQLite, PostgreSQL, MySQL 8 or MariaDB.
//!
//! The crate `session-migrate` creates the tables. Every statement stands in this folder; nothing
//! outside of it depends on the kind of database.
//!
//! # Requirements
//!
//! - MariaDB 10.6, MySQL 8.0.17, PostgreSQL 12 or SQLite 3.35, or newer.
//! - MySQL's `binlog_format` must be `ROW` or `MIXED`, which is the default of both servers.
//!
//! # How it keeps the laws
//!
//! - Each transaction that writes sets READ COMMITTED itself (`BEGIN IMMEDIATE` on SQLite), so that
//!   the server's default does not matter. A login first writes the lock row of its partition.
//!   Conflicts are repeated after growing pauses.
//! - On PostgreSQL a login reads first, and then carries the verdict out in one statement that does
//!   nothing if the counter in the lock row has changed meanwhile. After two lost races it takes the
//!   lock. An end and a renewal are one statement. On MySQL and MariaDB statements without
//!   parameters share a message.
//! - A lookup is one statement. Connections need not be tested before use: a statement that meets a
//!   dead connection is repeated on another one. A write whose outcome is unknown is looked up
//!   before it is repeated.
//! - On a Galera cluster a session that is not found is looked up again by a statement that waits
//!   for what other nodes have committed, before it counts as unknown.
//! - A connection is kept for the next call for 5 ms, which spares the message that tests it. Then
//!   it goes back to the pool within 2 s or is closed; one that is lost, read-only or within a
//!   transaction is closed at once.
//! - No time is read, neither from the database nor from this machine.

mod admit;
mod attempt_error;
mod cluster;
mod connect;
mod connection;
mod convert;
mod end;
pub mod entity;
mod error_class;
mod events;
mod history;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod keeper;
mod key_rotation;
mod lease;
mod lifecycle;
mod live_update;
mod lookup;
mod migrated;
#[cfg(feature = "postgres")]
mod notify;
mod observer;
mod outbox;
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
mod provider_filter;
mod retry;
mod rounds;
mod row;
mod statistics;
mod store;
mod text;
mod transaction;
mod update;

#[cfg(feature = "postgres")]
pub use notify::PostgresNotify;
pub use statistics::StoreStatistics;
pub use store::SeaOrmStore;
