//! Runs the migrator on an old database, and checks each step.

use std::error::Error;
use std::path::PathBuf;

use sea_orm_migration::MigratorTraitSelf as _;
use sea_orm_migration::sea_orm::{Database, DatabaseConnection};
use session_core::manager::Resolution;
use session_core::session::SecretDigest;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::{Keyring, ProviderName, SessionManager, UserId};
use uuid::Uuid;

use crate::legacy;
use crate::migrator::{MOVE, Migrator};

type DemoResult<T = ()> = Result<T, Box<dyn Error>>;

const SOURCE_KEY: &str = "only-for-this-demo";

/// A temporary folder, deleted on drop.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Anything left over is in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn run() -> DemoResult {
    let folder = Folder(std::env::temp_dir().join(format!("migration-step-{}", Uuid::new_v4())));
    std::fs::create_dir(&folder.0)?;
    let url = format!("sqlite://{}?mode=rwc", folder.0.join("webui.db").display());
    let database = Database::connect(&url).await?;
    let cookie = legacy::create(&database, SOURCE_KEY).await?;
    let migrator = Migrator {
        database_url: url,
        source_key: SOURCE_KEY.to_owned(),
        session_keys: Keyring::generate_entry("demo")?.to_string(),
        max_sessions: 2,
    };
    let before = legacy::rows(&database).await?;
    println!("\nThe migrator runs");
    up(&migrator, &database).await?;
    println!("\nThe application serves the moved sessions");
    serve(&migrator, &cookie).await?;
    println!("\nThe move is rolled back");
    down(&migrator, &database, &before).await?;
    database.close().await?;
    println!("\nAll checks hold.");
    Ok(())
}

async fn up(migrator: &Migrator, database: &DatabaseConnection) -> DemoResult {
    let wrong = Migrator { source_key: "another".to_owned(), ..migrator.clone() };
    let refused = wrong.up(database, None).await.err().map(|error| error.to_string());
    let refused = refused.unwrap_or_default();
    check(
        refused.contains("no row") || refused.contains("key"),
        "the move is refused with a wrong key",
    )?;
    check(pending(migrator, database).await? == [MOVE], "and the steps before it stay applied")?;
    migrator.up(database, None).await?;
    check(
        pending(migrator, database).await?.is_empty(),
        "every step is applied with the right key",
    )?;
    migrator.up(database, None).await?;
    check(pending(migrator, database).await?.is_empty(), "a second run changes nothing")
}

async fn pending(migrator: &Migrator, database: &DatabaseConnection) -> DemoResult<Vec<String>> {
    let pending = migrator.get_pending_migrations(database).await?;
    Ok(pending.iter().map(|step| step.name().to_owned()).collect())
}

async fn serve(migrator: &Migrator, cookie: &str) -> DemoResult {
    let manager = SessionManager::builder(SeaOrmStore::connect(&migrator.database_url).await?)
        .keyring(Keyring::parse(&migrator.session_keys)?)
        .start()
        .await?;
    let (ann, bob) = (UserId::new("ann")?, UserId::new("bob")?);
    let listed = manager.list(&ann, None).await?;
    check(listed.len() == 3, "Ann keeps her two newest browsers and her tool client")?;
    let tool = manager.find_migrated(&ann, &ProviderName::new("mcp:docs")?).await?;
    check(tool.is_some(), "the session of the tool client is found")?;
    let Resolution::Live(live) = manager.resolve(&SecretDigest::of(cookie), None).await? else {
        return Err("the old cookie leads to no session".into());
    };
    let session = live.session();
    check(session.user == ann, "Ann's old cookie leads to her session")?;
    check(session.id.to_string() != cookie, "the id of the session is not the cookie")?;
    let token = manager.access_token(&ann, session.id).await?;
    check(token.access_token() == "access-3", "its access token is the same")?;
    check(manager.list(&bob, None).await?.is_empty(), "a row that no key decrypts is quarantined")?;
    Ok(())
}

async fn down(migrator: &Migrator, database: &DatabaseConnection, before: &str) -> DemoResult {
    migrator.down(database, Some(1)).await?;
    check(pending(migrator, database).await? == [MOVE], "only the move is pending again")?;
    check(legacy::rows(database).await? == before, "the old table is unchanged, byte for byte")
}

/// Prints a check that holds; a check that does not ends the demo.
fn check(holds: bool, what: &str) -> DemoResult {
    if !holds {
        return Err(what.into());
    }
    println!("    ok  {what}");
    Ok(())
}
