//! The migration steps that create the tables. A released step never changes.

mod add_moves;
mod create_session_tables;
mod runner;
mod script;
#[cfg(test)]
mod sql_files;
mod steps;

pub(crate) use runner::{Direction, Runner};
pub use steps::{Migrator, Step, steps};

use sea_orm_migration::sea_orm::DbBackend;

/// Every table that the steps create.
pub(crate) const TABLES: [&str; 6] = [
    "login_session",
    "login_session_event",
    "provider_revocation",
    "admission_lock",
    "session_move_aside",
    "session_move",
];

/// The columns of `login_session` that a later step than the first adds.
pub(crate) const ADDED_COLUMNS: [&str; 2] = add_moves::ADDED_COLUMNS;

/// Returns every statement of every step, the oldest step first, as it is run on an empty database.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    [create_session_tables::statements(backend), add_moves::statements(backend)].concat()
}
