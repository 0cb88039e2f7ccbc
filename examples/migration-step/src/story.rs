//! What happens, step by step.

use std::error::Error;
use std::path::PathBuf;

use sea_orm_migration::MigratorTraitSelf as _;
use sea_orm_migration::sea_orm::{Database, DatabaseConnection};
use session_core::manager::Resolution;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::{Keyring, ProviderName, SecretDigest, SessionManager, UserId};
use uuid::Uuid;

use crate::legacy;
use crate::migrator::{MOVE, Migrator};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const SOURCE_KEY: &str = "only-for-this-story";

/// A folder that goes with the story.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn tell() -> Outcome {
    let folder = Folder(std::env::temp_dir().join(format!("migration-step-{}", Uuid::new_v4())));
    std::fs::create_dir(&folder.0)?;
    let url = format!("sqlite://{}?mode=rwc", folder.0.join("webui.db").display());
    let database = Database::connect(&url).await?;
    let cookie = legacy::build(&database, SOURCE_KEY).await?;
    let migrator = Migrator {
        database_url: url,
        source_key: SOURCE_KEY.to_owned(),
        session_keys: Keyring::generate_entry("story")?.to_string(),
        max_sessions: 2,
    };
    let before = legacy::rows(&database).await?;
    println!("\nThe migrator runs");
    up(&migrator, &database).await?;
    println!("\nThe application serves");
    serves(&migrator, &cookie).await?;
    println!("\nThe step is taken back");
    down(&migrator, &database, &before).await?;
    database.close().await?;
    println!("\nAll of it held.");
    Ok(())
}

async fn up(migrator: &Migrator, database: &DatabaseConnection) -> Outcome {
    let wrong = Migrator { source_key: "another".to_owned(), ..migrator.clone() };
    let refused = wrong.up(database, None).await.err().map(|error| error.to_string());
    let refused = refused.unwrap_or_default();
    holds(
        refused.contains("no row") || refused.contains("key"),
        "with a wrong key the step refuses",
    )?;
    holds(pending(migrator, database).await? == [MOVE], "and the steps before it stay")?;
    migrator.up(database, None).await?;
    holds(
        pending(migrator, database).await?.is_empty(),
        "with the right one every step is applied",
    )?;
    migrator.up(database, None).await?;
    holds(true, "a second run finds nothing to do")
}

async fn pending(migrator: &Migrator, database: &DatabaseConnection) -> Outcome<Vec<String>> {
    let pending = migrator.get_pending_migrations(database).await?;
    Ok(pending.iter().map(|step| step.name().to_owned()).collect())
}

async fn serves(migrator: &Migrator, cookie: &str) -> Outcome {
    let manager = SessionManager::builder(SeaOrmStore::connect(&migrator.database_url).await?)
        .keyring(Keyring::parse(&migrator.session_keys)?)
        .start()
        .await?;
    let (ann, bob) = (UserId::new("ann")?, UserId::new("bob")?);
    let listed = manager.list(&ann, None).await?;
    holds(listed.len() == 3, "Ann keeps her two newest browsers, and her tool client")?;
    let tool = manager.find_migrated(&ann, &ProviderName::new("mcp:docs")?).await?;
    holds(tool.is_some(), "the tool client's session is found")?;
    let Resolution::Live(live) = manager.resolve(&SecretDigest::of(cookie), None).await? else {
        return Err("the old cookie is not known".into());
    };
    let session = live.session();
    holds(session.user == ann, "her old cookie leads to her session")?;
    holds(session.id.to_string() != cookie, "whose id is not the cookie")?;
    let token = manager.access_token(&ann, session.id).await?;
    holds(token.access_token() == "access-3", "and whose token opens to the same value")?;
    holds(
        manager.list(&bob, None).await?.is_empty(),
        "what no key opens is set aside, not served",
    )?;
    Ok(())
}

async fn down(migrator: &Migrator, database: &DatabaseConnection, before: &str) -> Outcome {
    migrator.down(database, Some(1)).await?;
    holds(pending(migrator, database).await? == [MOVE], "the move alone is pending again")?;
    holds(legacy::rows(database).await? == before, "the old table is as it was, byte for byte")
}

/// A step: it holds, or the story ends here.
fn holds(it_does: bool, what: &str) -> Outcome {
    if !it_does {
        return Err(what.into());
    }
    println!("    ok  {what}");
    Ok(())
}
