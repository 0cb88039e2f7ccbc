//! The command `session-migrate inspect`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::process::{Command, Output};

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Database};
use serde_json::Value;
use session_core::Timestamp;
use session_migrate::source::{Cell, SourceKeys, TokenCodec as _, codec::Fernet};

const KEY: &str = "the secret of the source";

/// A folder with a database of Open WebUI's schema.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("session-inspect-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    async fn filled(name: &str) -> Self {
        let folder = Self::new(name);
        let url = format!("sqlite://{}?mode=rwc", folder.file().display());
        let connection = Database::connect(url).await.unwrap();
        let codec = Fernet::new(&SourceKeys::new(KEY)).unwrap();
        let json = br#"{"access_token": "at-secret", "refresh_token": "rt-secret"}"#;
        let token =
            codec.seal(json, &Cell::Text(String::new()), Timestamp::from_millis(0)).unwrap();
        let token = token.as_text().unwrap().into_owned();
        for statement in [
            "CREATE TABLE oauth_session (id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, \
             provider TEXT NOT NULL, token TEXT NOT NULL, expires_at BIGINT NOT NULL, \
             created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)",
            &format!(
                "INSERT INTO oauth_session VALUES ('cookie-1', 'u', 'oidc', '{token}', 1, 1, 1)"
            ),
        ] {
            connection.execute_unprepared(statement).await.unwrap();
        }
        connection.close().await.unwrap();
        folder
    }

    fn file(&self) -> PathBuf {
        self.0.join("webui.db")
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }
}

fn inspect(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-migrate"));
    command.arg("inspect").args(arguments);
    for name in ["KEY", "KEY_FILE", "OLD_KEYS"] {
        command.env_remove(format!("SESSION_MIGRATE_SOURCE_{name}"));
    }
    command.envs(variables.iter().copied()).output().unwrap()
}

fn text(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn inspect_recognises_and_counts_without_printing_secrets() {
    let folder = Folder::filled("json").await;
    let before = std::fs::read(folder.file()).unwrap();
    let key = ("SESSION_MIGRATE_SOURCE_KEY", KEY);
    let output = inspect(&["--from", &folder.url(), "--json"], &[key]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "session-migrate/inspect/1");
    let first = &report["recognised"][0];
    assert_eq!((&first["preset"], &first["table"]), (&"openwebui".into(), &"oauth_session".into()));
    let total = &first["sources"][0]["total"];
    assert_eq!((&total["rows"], &total["readable"]), (&1.into(), &1.into()));
    assert!(first["because"].as_array().unwrap().len() > 3);
    let prose = inspect(&["--from", &folder.url()], &[key]);
    assert_eq!(prose.status.code(), Some(0));
    let text = text(&prose) + &text(&output);
    assert!(text.contains("openwebui") && text.contains("1 readable"), "{text}");
    for secret in ["at-secret", "rt-secret", "gAAAA", "cookie-1", KEY] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
}

#[tokio::test]
async fn the_key_can_come_from_a_file_and_old_keys_are_tried_after_it() {
    let folder = Folder::filled("file").await;
    let file = folder.0.join("key");
    std::fs::write(&file, "next year's\n").unwrap();
    let variables = [
        ("SESSION_MIGRATE_SOURCE_KEY_FILE", file.to_str().unwrap()),
        ("SESSION_MIGRATE_SOURCE_OLD_KEYS", KEY),
    ];
    let output = inspect(&["--from", &folder.url(), "--json"], &variables);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["recognised"][0]["sources"][0]["total"]["opened_by"]["old-1"], 1);
}

#[tokio::test]
async fn an_invalid_key_is_refused_without_printing_it() {
    let folder = Folder::filled("bad").await;
    let key = "!!!!-hunter2-hunter2-hunter2-hunter2-hunter2";
    let output = inspect(&["--from", &folder.url()], &[("SESSION_MIGRATE_SOURCE_KEY", key)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("44 characters"), "{}", text(&output));
    assert!(!text(&output).contains("hunter2"));
}

#[test]
fn refusals_do_not_print_the_password() {
    let folder = Folder::new("none");
    let cases = [
        (&["--from", "redis://u:hunter2@host/0"][..], 2, "supported database"),
        (&["--from", "postgres://u:hunter2@127.0.0.1:1/db"], 1, "cannot be reached"),
        (&["--from", &folder.url()], 1, "cannot be reached"),
        (&[], 2, "--from"),
        (&["--from", "sqlite://x", "--key", "hunter2"], 2, "--key"),
    ];
    for (arguments, code, expected) in cases {
        let output = inspect(arguments, &[]);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        let is_ours = !arguments.contains(&"--key");
        assert!(!(is_ours && text.contains("hunter2")), "{arguments:?}: {text}");
    }
    assert!(!folder.file().exists(), "nothing is created");
}
