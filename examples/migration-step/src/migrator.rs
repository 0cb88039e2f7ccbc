//! The application's migrator: its own table, the tables of session-core, and the move.

use async_trait::async_trait;
use sea_orm_migration::sea_orm::{ConnectionTrait as _, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTraitSelf, SchemaManager};
use session_core::Keyring;
use session_migrate::cap::Cap;
use session_migrate::source::{Codecs, Preset, SourceKeys};
use session_migrate::{Layout, MoveOptions, MoveSessions};

/// The migrator, with the settings that an application reads from its environment. It does not
/// implement `Debug`, which would print the keys.
#[derive(Clone)]
pub(crate) struct Migrator {
    pub(crate) database_url: String,
    /// Open WebUI's `WEBUI_SECRET_KEY`.
    pub(crate) source_key: String,
    /// The application's own `SESSION_KEYS`.
    pub(crate) session_keys: String,
    pub(crate) max_sessions: u32,
}

/// The name of the move in the migrator's table, so it must never change.
pub(crate) const MOVE: &str = "m20261201_000002_move_sessions";

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let mut steps: Vec<Box<dyn MigrationTrait>> = vec![Box::new(CreatePreferences)];
        steps.extend(session_migrate::migrations());
        let migrator = self.clone();
        // The options are built when the step runs: listing the steps needs no keys.
        steps.push(Box::new(MoveSessions::new(MOVE, move || migrator.move_options())));
        steps
    }
}

impl Migrator {
    fn move_options(&self) -> Result<MoveOptions, Box<dyn std::error::Error + Send + Sync>> {
        let preset: Preset = "openwebui".parse()?;
        Ok(MoveOptions::new(&self.database_url, Layout::Preset(preset))
            .codecs(Codecs::new(SourceKeys::new(&self.source_key)))
            .keyring(Keyring::parse(&self.session_keys)?)
            .cap(Cap::max_sessions(self.max_sessions.try_into()?)))
    }
}

/// One of the application's own steps.
struct CreatePreferences;

impl MigrationName for CreatePreferences {
    fn name(&self) -> &'static str {
        "m20261201_000001_create_preferences"
    }
}

#[async_trait]
impl MigrationTrait for CreatePreferences {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "CREATE TABLE preferences (user_id TEXT PRIMARY KEY, theme TEXT NOT NULL)";
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE preferences").await.map(drop)
    }
}
