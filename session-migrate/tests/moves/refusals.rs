//! Invalid input: a clear error, an exit code, and nothing written.

use std::path::PathBuf;

use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::openwebui::{self, KEY};
use crate::snapshot::{changes, snapshot};
use crate::tool::Tool;
use session_tests::source::Source;

/// A temporary file.
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn with(text: &str) -> Self {
        let name = format!("session_test_{}.toml", uuid::Uuid::now_v7().simple());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Plans and applies: both must fail like this, and write nothing.
async fn rejected(source: &Source, tool: &Tool, code: i32, error: &str) {
    let before = snapshot(source).await;
    tool.run("plan", &[]).await.ends(code, error);
    let answer = tool.run("apply", &["--yes"]).await;
    answer.ends(code, error);
    no_secret_in(&answer.errors);
    assert_eq!(changes(&before, &snapshot(source).await), Vec::<String>::new(), "{error}");
}

async fn apply_rejected(source: &Source, tool: &Tool, words: &[&str], code: i32, error: &str) {
    let before = snapshot(source).await;
    let answer = tool.run("apply", words).await;
    answer.ends(code, error);
    no_secret_in(&answer.errors);
    assert_eq!(changes(&before, &snapshot(source).await), Vec::<String>::new(), "{error}");
}

/// Checks that an error contains no secret.
#[track_caller]
fn no_secret_in(errors: &str) {
    for secret in [KEY, "gAAAA", "at-0", "rt-0", "AAECAwQF", "id-000"] {
        assert!(!errors.contains(secret), "{secret} in {errors}");
    }
}

fn mapping(access: &str) -> String {
    format!(
        "[[mapping]]\ntable = \"oauth_session\"\nkey = [\"id\"]\nuser = {{ column = \"user_id\" }}\n\
         provider = {{ column = \"provider\" }}\ntokens.access = {{ column = \"{access}\" }}\n"
    )
}

on_every_database! {
    async fn a_missing_table(database: Database) {
        let source = Source::on(database).await;
        source.run("CREATE TABLE other (id INTEGER PRIMARY KEY)").await;
        let preset = openwebui::tool(&source);
        rejected(&source, &preset, 2, "oauth_session").await;
        let file = File::with(&mapping("token"));
        let mapped = Tool::new(source.database.url()).words(&["--mapping", file.path()]);
        rejected(&source, &mapped, 2, "oauth_session").await;
    }

    async fn an_invalid_mapping(database: Database) {
        let source = openwebui::source(database, 2).await;
        let missing = File::with(&mapping("tokn"));
        let tool = Tool::new(source.database.url()).words(&["--mapping", missing.path()]);
        rejected(&source, &tool, 2, "tokn").await;
        let broken = File::with("[[mapping]]\ntable = \"oauth_session\"\nkey = [\"id\"\nuser = 1\n");
        let tool = Tool::new(source.database.url()).words(&["--mapping", broken.path()]);
        rejected(&source, &tool, 2, "line 4").await;
        let unknown = File::with(&format!("{}colour = \"red\"\n", mapping("token")));
        let tool = Tool::new(source.database.url()).words(&["--mapping", unknown.path()]);
        rejected(&source, &tool, 2, "colour").await;
        let tool = Tool::new(source.database.url()).words(&["--mapping", "/no/such/file.toml"]);
        rejected(&source, &tool, 2, "/no/such/file.toml").await;
        let none = Source::on(Database::create(source.kind()).await).await;
        rejected(&none, &Tool::new(none.database.url()), 2, "give --mapping").await;
        let tool = Tool::new(source.database.url()).words(&["--preset", "openwebi"]);
        rejected(&source, &tool, 2, "openwebi").await;
    }

    async fn wrong_and_missing_keys(database: Database) {
        let source = openwebui::source(database, 2).await;
        let wrong = Tool::preset(&source, "openwebui").key("another key");
        let plan = wrong.run("plan", &[]).await;
        assert_eq!(plan.code, Some(1), "{plan:?}");
        assert!(plan.out.contains("no row opens"), "{plan:?}");
        apply_rejected(&source, &wrong, &["--yes"], 1, "no row opens").await;
        let plan = wrong.run("plan", &["--json"]).await;
        let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
        let digest = plan["digest"].as_str().unwrap();
        apply_rejected(&source, &wrong, &["--plan", digest], 1, "no row opens").await;
        let none = openwebui::tool(&source).without_keys();
        apply_rejected(&source, &none, &["--yes"], 2, "SESSION_KEYS").await;
    }

    async fn an_apply_without_approval(database: Database) {
        let source = openwebui::source(database, 2).await;
        let tool = openwebui::tool(&source);
        apply_rejected(&source, &tool, &[], 2, "--plan").await;
        apply_rejected(&source, &tool, &["--plan", "nonsense"], 1, "not the digest of a plan").await;
    }

    async fn a_stale_plan(database: Database) {
        let source = openwebui::source(database, 2).await;
        let tool = openwebui::tool(&source);
        let plan = tool.done("plan", &[]).await;
        let words = ["--plan", plan["digest"].as_str().unwrap()];
        openwebui::insert(&source, "new", "u1", "oidc", &openwebui::token(7)).await;
        apply_rejected(&source, &tool, &words, 1, "changed: rows").await;
        source.run("DELETE FROM oauth_session WHERE id = 'new'").await;
        source.run("ALTER TABLE oauth_session ADD COLUMN more INTEGER").await;
        apply_rejected(&source, &tool, &words, 1, "changed: schema").await;
        source.run("ALTER TABLE oauth_session DROP COLUMN more").await;
        let capped = tool.clone().words(&["--max-sessions", "1"]);
        apply_rejected(&source, &capped, &words, 1, "changed: options").await;
        let applied = tool.done("apply", &words).await;
        assert_eq!(applied["phase"], "switched");
    }

    async fn a_target_that_would_truncate_values(database: Database) {
        let source = openwebui::source(database, 2).await;
        if source.kind() == Kind::Sqlite {
            // SQLite ignores lengths.
            return;
        }
        source.database.migrate().await;
        let change = match source.kind() {
            Kind::Postgres => "ALTER TABLE login_session ALTER COLUMN user_id TYPE VARCHAR(64)",
            _ => "ALTER TABLE login_session MODIFY user_id VARCHAR(64) NOT NULL",
        };
        source.run(change).await;
        let tool = openwebui::tool(&source);
        apply_rejected(&source, &tool, &["--yes"], 1, "(64), which would truncate what is written").await;
    }

    async fn a_database_with_the_target_layout(database: Database) {
        let source = openwebui::source(database, 2).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        tool.done("finalize", &[]).await;
        apply_rejected(&source, &tool, &["--yes"], 1, "many sessions").await;
        let file = File::with(
            "[[mapping]]\ntable = \"login_session\"\nkey = [\"id\"]\nuser = { column = \"user_id\" }\n\
             provider = { column = \"provider\" }\ntokens.access = { column = \"tokens\" }\n",
        );
        let mapped = Tool::new(source.database.url()).words(&["--mapping", file.path()]);
        rejected(&source, &mapped, 1, "many sessions").await;
        source.run("DROP TABLE oauth_session").await;
        rejected(&source, &tool, 2, "many sessions").await;
    }

    async fn other_options_for_a_finished_move(database: Database) {
        let source = openwebui::source(database, 2).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        apply_rejected(&source, &tool, &["--plan", "nonsense"], 1, "begun with the plan").await;
        let capped = tool.clone().words(&["--max-sessions", "1"]);
        apply_rejected(&source, &capped, &["--yes"], 2, "another cap").await;
        apply_rejected(&source, &tool, &["--yes", "--online"], 2, "another mode").await;
        tool.done("apply", &["--yes"]).await;
        tool.done("rollback", &[]).await;
        tool.done("apply", &["--yes"]).await;
        apply_rejected(&source, &tool, &["--plan", "nonsense"], 1, "without a plan").await;
    }

    async fn an_unknown_move(database: Database) {
        let source = openwebui::source(database, 2).await;
        let tool = openwebui::tool(&source);
        let before = snapshot(&source).await;
        for call in ["verify", "rollback", "finalize", "pause", "resume"] {
            tool.run(call, &[]).await.ends(1, "no such move");
        }
        assert_eq!(tool.done("status", &[]).await["moves"].as_array().unwrap().len(), 0);
        tool.done("unlock", &[]).await;
        assert_eq!(changes(&before, &snapshot(&source).await), Vec::<String>::new());
    }
}
