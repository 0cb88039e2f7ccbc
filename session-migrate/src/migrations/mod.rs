//! The steps. A released one never changes.

mod add_moves;
mod collation;
mod create_session_tables;
mod runner;
mod script;

pub(crate) use add_moves::AddMoves;
pub(crate) use create_session_tables::CreateSessionTables;
pub(crate) use runner::{Direction, Runner};

use sea_orm_migration::sea_orm::DbBackend;

/// Every table that the steps make.
pub(crate) const TABLES: [&str; 6] = [
    "login_session",
    "login_session_event",
    "provider_revocation",
    "admission_lock",
    "session_move_aside",
    "session_move",
];

/// Every statement of every step, the oldest first, as it is run where nothing is done yet.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    [create_session_tables::statements(backend), add_moves::statements(backend)].concat()
}
