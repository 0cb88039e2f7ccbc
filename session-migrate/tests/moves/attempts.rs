//! What an earlier attempt, or a killed process, leaves behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Statement};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::openwebui::{self, insert, token};
use crate::plans::moved;
use crate::refusals::File;
use crate::snapshot::{self, snapshot};
use crate::tool::Tool;

on_every_database! {
    async fn a_row_is_replaced_after_a_killed_load(database: Database) {
        let source = openwebui::source(database, 400).await;
        let tool = openwebui::tool(&source);
        let mut child = tool.spawn("apply", &["--yes", "--batch", "1"]);
        while moved(&source).await < 10 {
            assert!(child.try_wait().unwrap().is_none(), "the move has ended");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        child.kill().await.unwrap();
        // On SQLite it lies at the end of the file now, and is read once more.
        source.run("DELETE FROM oauth_session WHERE id = 'id-001'").await;
        insert(&source, "id-001", "u1", "oidc", &token(777)).await;
        let applied = tool.done("apply", &["--yes"]).await;
        assert_eq!(applied["counts"]["moved"], 404);
        let verified = tool.done("verify", &[]).await;
        assert_eq!((&verified["mismatches"], &verified["target_rows"]), (&0.into(), &404.into()));
    }

    async fn finalize_after_the_old_table_was_dropped(database: Database) {
        let source = openwebui::source(database, 3).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        tool.done("apply", &["--yes"]).await;
        source.run("DROP TABLE oauth_session").await;
        let wrong = Tool::preset(&source, "allauth");
        wrong.run("finalize", &[]).await.ends(2, "allauth");
        let asked = tool.clone().unconfirmed().run("finalize", &[]).await;
        asked.ends(2, "for good: no rollback is possible: confirm with --yes");
        let finalized = tool.done("finalize", &[]).await;
        assert_eq!((&finalized["phase"], &finalized["left_behind"]), (&"finalized".into(), &serde_json::json!([])));
        // Neither triggers, nor their functions, nor the log of changes.
        let left = snapshot(&source).await;
        assert!(!format!("{left:?}").contains("session_move_change"), "{left:?}");
        if source.kind() == Kind::Postgres {
            let functions = "pg_proc WHERE proname LIKE 'session\\_move\\_%'";
            assert_eq!(snapshot::count(&source, functions).await, 0);
        }
        let tool = openwebui::tool(&source);
        assert_eq!(tool.done("status", &[]).await["moves"][0]["phase"], "finalized");
    }

    async fn a_table_beside_a_dropped_one_must_be_blocked(database: Database) {
        let source = Source::with(database, TWO).await;
        let mapping = ["grants", "others"].map(|table| MAPPING.replace("TABLE", table)).concat();
        let file = File::with(&mapping);
        let tool = Tool::new(source.database.url()).words(&["--mapping", file.path(), "--online"]);
        tool.done("apply", &["--yes"]).await;
        source.run("DROP TABLE grants").await;
        let unblock = Tool::new(source.database.url());
        unblock.done("unblock", &[]).await;
        tool.run("finalize", &[]).await.ends(1, "block writes to others are gone");
    }
}

const TWO: &str = "
CREATE TABLE grants (id INTEGER NOT NULL PRIMARY KEY, person VARCHAR(20), token VARCHAR(20), created BIGINT);
CREATE TABLE others (id INTEGER NOT NULL PRIMARY KEY, person VARCHAR(20), token VARCHAR(20), created BIGINT);
INSERT INTO grants VALUES (1, 'ann', 'at-1', 1);
INSERT INTO others VALUES (1, 'bob', 'at-2', 2)";

const MAPPING: &str = r#"
[[mapping]]
table = "TABLE"
key = ["id"]
user = { column = "person" }
provider = { constant = "github" }
tokens.access = { column = "token" }
created = { column = "created", unit = "s" }
newest_by = "created"
"#;

#[tokio::test]
async fn each_attempt_has_a_backup_of_its_own() {
    let source = openwebui::source(Database::create(Kind::Sqlite).await, 2).await;
    let tool = openwebui::tool(&source);
    let first = tool.done("apply", &["--yes"]).await;
    tool.done("rollback", &[]).await;
    insert(&source, "later", "u1", "oidc", &token(9)).await;
    let second = tool.done("apply", &["--yes"]).await;
    let paths = [&first, &second].map(|report| report["backup"].as_str().unwrap().to_owned());
    assert_ne!(paths[0], paths[1]);
    let mut rows = Vec::new();
    for path in &paths {
        rows.push(count(&format!("sqlite://{path}")).await);
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(rows, [7, 8]);
}

async fn count(url: &str) -> i64 {
    let connection = sea_orm_migration::sea_orm::Database::connect(url).await.unwrap();
    let sql = "SELECT COUNT(*) FROM oauth_session";
    let sql = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(sql).await.unwrap().unwrap();
    connection.close().await.unwrap();
    row.try_get_by_index(0).unwrap()
}

/// A file, and those beside it, that are removed in the end.
struct Copied(PathBuf);

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_file(journal_of(&self.0));
    }
}

fn journal_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-journal", path.display()))
}

/// Copies a SQLite file in the middle of a transaction, as a killed process leaves it.
async fn killed_copy(source: &Source) -> Copied {
    let url = source.database.url();
    let path = url.strip_prefix("sqlite://").unwrap().split('?').next().unwrap();
    // A transaction belongs to one connection.
    let connection = source.database.connect_with(|options| {
        options.max_connections(1);
    });
    let connection = connection.await;
    for sql in [
        "PRAGMA journal_mode = delete",
        "PRAGMA cache_size = 2",
        "BEGIN IMMEDIATE",
        "CREATE TABLE filler AS WITH RECURSIVE n (at) AS \
         (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < 500) SELECT at, randomblob(500) FROM n",
        "UPDATE oauth_session SET updated_at = updated_at + 1",
    ] {
        connection.execute_unprepared(sql).await.unwrap();
    }
    let copy = Copied(PathBuf::from(format!("{path}.killed")));
    std::fs::copy(path, &copy.0).unwrap();
    std::fs::copy(journal_of(Path::new(path)), journal_of(&copy.0)).unwrap();
    connection.execute_unprepared("ROLLBACK").await.unwrap();
    connection.close().await.unwrap();
    copy
}

#[tokio::test]
async fn what_a_killed_process_left_in_a_file_is_undone_first() {
    for call in ["status", "plan", "inspect"] {
        let source = openwebui::source(Database::create(Kind::Sqlite).await, 2).await;
        let copy = killed_copy(&source).await;
        let url = format!("sqlite://{}", copy.0.display());
        let tool = Tool::new(&url).key(openwebui::KEY);
        let tool = if call == "inspect" { tool } else { tool.words(&["--preset", "openwebui"]) };
        tool.done(call, &[]).await;
        assert!(!journal_of(&copy.0).exists(), "{call}");
    }
}
