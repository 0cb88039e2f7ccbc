//! The steps in their order, and the migrator that records which of them were applied.

use sea_orm_migration::sea_orm::DynIden;
use sea_orm_migration::sea_orm::sea_query::{Alias, IntoIden};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use super::add_moves::AddMoves;
use super::create_session_tables::CreateSessionTables;

/// Returns the steps that create the tables, the oldest first, for an application's own migrator.
#[must_use]
pub fn steps() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreateSessionTables), Box::new(AddMoves)]
}

/// The steps that create the tables, as their own migrator.
///
/// It records the applied steps in the table `session_migration`, apart from an application's
/// `seaql_migrations`. It takes no lock: where several processes may start at once, use [`up`](crate::up).
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        steps()
    }

    fn migration_table_name() -> DynIden {
        Alias::new("session_migration").into_iden()
    }
}

/// A step, and whether a database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The step's name.
    pub name: String,
    /// Whether the step was applied.
    pub is_applied: bool,
}
