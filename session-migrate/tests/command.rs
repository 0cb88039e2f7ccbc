//! The command: what it says, and how it ends.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::PathBuf;
use std::process::{Command, Output};

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Database, Statement};
use serde_json::Value;
use session_core::Timestamp;
use session_migrate::source::{Cell, SourceKeys, TokenCodec as _, codec::Fernet};

/// A file that this test alone uses.
struct File(PathBuf);

impl File {
    fn new(test: &str) -> Self {
        let name = format!("session-migrate-{}-{test}.sqlite", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.0.display())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-migrate"));
    command.env_remove("DATABASE_URL").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32, says: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", text(output));
    assert!(text(output).contains(says), "not {says:?} in {:?}", text(output));
}

#[test]
fn tables_come_and_go() {
    let file = File::new("tables_come_and_go");
    let url = file.url();
    ends(&run(&["status", "--to", &url]), 0, "pending m20260101_000001_create_session_tables");
    ends(&run(&["up", "--to", &url]), 0, "applied m20260101_000001_create_session_tables");
    ends(&run(&["up", "--to", &url]), 0, "nothing to do");
    ends(&run(&["status", "--to", &url]), 0, "applied m20261125_000001_add_moves");
    ends(&run(&["status", "--to", &url]), 0, "applied m20260101_000001_create_session_tables");
    ends(&run(&["down", "--to", &url]), 2, "say --yes");
    ends(&run(&["status", "--to", &url]), 0, "applied");
    ends(&run(&["down", "--yes", "--to", &url]), 0, "dropped");
    ends(&run(&["status", "--to", &url]), 0, "pending");
}

#[test]
fn a_status_writes_nothing() {
    let file = File::new("a_status_writes_nothing");
    ends(&run(&["status", "--to", &file.url()]), 0, "pending");
    assert!(!file.0.exists(), "not even an empty file");
}

#[test]
fn a_wrong_call_is_told_apart_from_a_failure() {
    ends(&run(&[]), 2, "Usage");
    ends(&run(&["sideways"]), 2, "sideways");
    ends(&run(&["up"]), 2, "--to <URL>");
    ends(&run(&["up", "--to", "sqlite:///no/such/folder/x.sqlite"]), 1, "cannot be reached");
}

#[test]
fn the_address_can_come_from_the_environment() {
    let file = File::new("the_address_can_come_from_the_environment");
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-migrate"));
    let output = command.env("DATABASE_URL", file.url()).arg("up").output().unwrap();
    ends(&output, 0, "applied");
}

#[test]
fn no_password_is_printed() {
    let addresses = [
        ("redis://user:hunter2@localhost/0", 2),
        ("postgres://user:hunter2@localhost:99999/db", 2),
        ("postgres://user:hunter2@localhost/db?sslmode=hunter2", 1),
        ("mysql:user:hunter2", 2),
        ("hunter2", 2),
    ];
    for (address, code) in addresses {
        let output = run(&["up", "--to", address]);
        ends(&output, code, "error: ");
        assert!(!text(&output).contains("hunter2"), "{}", text(&output));
    }
    let help = Command::new(env!("CARGO_BIN_EXE_session-migrate"))
        .env("DATABASE_URL", "postgres://user:hunter2@localhost/db")
        .args(["up", "--help"])
        .output()
        .unwrap();
    assert!(!text(&help).contains("hunter2"), "{}", text(&help));
}

const KEY: &str = "the secret of the source";

/// A database of Open WebUI's shape: three sign-ins of one user, and one of another.
async fn webui(file: &File) {
    let connection = Database::connect(file.url()).await.unwrap();
    let codec = Fernet::new(&SourceKeys::new(KEY)).unwrap();
    let table = "CREATE TABLE oauth_session (id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, \
         provider TEXT NOT NULL, token TEXT NOT NULL, expires_at BIGINT NOT NULL, \
         created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)";
    connection.execute_unprepared(table).await.unwrap();
    for (id, user, created) in
        [("c1", "ann", 1), ("c2", "ann", 3), ("c3", "ann", 2), ("c4", "bob", 1)]
    {
        let json = format!(r#"{{"access_token": "at-{id}", "refresh_token": "rt-{id}"}}"#);
        let empty = Cell::Text(String::new());
        let token = codec.seal(json.as_bytes(), &empty, Timestamp::from_millis(0)).unwrap();
        let token = token.as_text().unwrap().into_owned();
        let row = format!("'{id}', '{user}', 'oidc', '{token}', 1760000000, {created}, {created}");
        let insert = format!("INSERT INTO oauth_session VALUES ({row})");
        connection.execute_unprepared(&insert).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// The keys that the table still has.
async fn left(file: &File) -> String {
    let connection = Database::connect(file.url()).await.unwrap();
    let sql = "SELECT group_concat(id ORDER BY id) FROM oauth_session";
    let asked = Statement::from_string(connection.get_database_backend(), sql);
    let left = connection.query_one_raw(asked).await.unwrap().unwrap();
    connection.close().await.unwrap();
    left.try_get_by_index(0).unwrap()
}

/// `prune` on this file with these words, and the source's key if there is one.
fn prune(file: &File, key: Option<&str>, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-migrate"));
    for name in ["DATABASE_URL", "SESSION_KEYS", "SESSION_MIGRATE_SOURCE_KEY"] {
        command.env_remove(name);
    }
    if let Some(key) = key {
        command.env("SESSION_MIGRATE_SOURCE_KEY", key);
    }
    command.args(["prune", "--from", &file.url(), "--preset", "openwebui"]);
    command.args(words).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_prune_shows_first_and_writes_when_it_is_told_to() {
    let file = File::new("a_prune_shows_first_and_writes_when_it_is_told_to");
    webui(&file).await;
    let before = std::fs::read(&file.0).unwrap();
    ends(&prune(&file, Some(KEY), &["--max-sessions", "2"]), 0, "1 of 4 rows would go");
    let shown = prune(&file, Some(KEY), &["--max-sessions", "2", "--json"]);
    ends(&shown, 0, "session-migrate/prune-plans/1");
    let plan = json(&shown);
    assert_eq!((&plan["rows"], &plan["pruned"]), (&4.into(), &1.into()));
    let of = &plan["mappings"][0];
    assert_eq!(
        (&of["schema"], &of["victims"][0]["key"]),
        (&"session-migrate/prune-plan/1".into(), &"c1".into())
    );
    assert_eq!(std::fs::read(&file.0).unwrap(), before, "a plan wrote");

    let done = prune(&file, Some(KEY), &["--max-sessions", "2", "--batch", "1", "--yes", "--json"]);
    ends(&done, 0, "session-migrate/prunes/1");
    let report = json(&done);
    assert_eq!((&report["pruned"], &report["is_stopped"]), (&1.into(), &false.into()));
    assert_eq!(left(&file).await, "c2,c3,c4");
    ends(&prune(&file, Some(KEY), &["--max-sessions", "2", "--yes"]), 0, "0 of 3 rows went");

    let connection = Database::connect(file.url()).await.unwrap();
    for statement in report["mappings"][0]["undo"].as_array().unwrap() {
        connection.execute_unprepared(statement.as_str().unwrap()).await.unwrap();
    }
    connection.close().await.unwrap();
    assert_eq!(left(&file).await, "c1,c2,c3,c4");
}

#[tokio::test]
async fn a_prune_that_cannot_be_meant_writes_nothing() {
    let file = File::new("a_prune_that_cannot_be_meant_writes_nothing");
    webui(&file).await;
    let before = std::fs::read(&file.0).unwrap();
    ends(&prune(&file, Some(KEY), &["--yes"]), 2, "--max-sessions");
    ends(&prune(&file, Some(KEY), &["--max-sessions", "0", "--yes"]), 2, "--max-sessions");
    ends(
        &prune(&file, Some(KEY), &["--max-sessions", "1", "--newest-by", "used", "--yes"]),
        2,
        "used",
    );
    // Without the right key nobody can say which rows work.
    for key in [None, Some("another")] {
        ends(&prune(&file, key, &["--max-sessions", "1", "--yes"]), 1, "--count all");
    }
    let refused = prune(&file, None, &["--max-sessions", "1", "--yes", "--json"]);
    assert_eq!(json(&refused)["schema"], "session-migrate/error/1");
    let other = ["prune", "--from", &file.url(), "--preset", "spring", "--max-sessions", "1"];
    ends(&run(&other), 2, "the preset spring needs");
    let none = [
        "prune",
        "--from",
        "sqlite:///no/such/x.sqlite",
        "--preset",
        "rails",
        "--max-sessions",
        "1",
    ];
    ends(&run(&none), 1, "error: ");
    assert_eq!(std::fs::read(&file.0).unwrap(), before);
    // All rows alike need no key.
    ends(
        &prune(&file, None, &["--max-sessions", "1", "--count", "all", "--yes"]),
        0,
        "2 of 4 rows went",
    );
    assert_eq!(left(&file).await, "c2,c4");
}

/// All that can be asked for.
const TASKS: [&str; 15] = [
    "inspect",
    "plan",
    "apply",
    "verify",
    "status",
    "rollback",
    "finalize",
    "pause",
    "resume",
    "unlock",
    "prune",
    "up",
    "down",
    "completions",
    "man",
];

#[test]
fn every_task_is_in_the_manual_and_in_the_completions() {
    let manual = text(&run(&["man"]));
    assert!(manual.starts_with(".ie") && manual.contains(".SH"), "{manual}");
    for task in TASKS {
        let page = format!("session\\-migrate\\-{task}(1)");
        assert!(manual.contains(&page), "{task} is not in the manual");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&run(&["completions", shell]));
        for task in TASKS {
            assert!(script.contains(task), "{task} is not in the completions of {shell}");
        }
    }
    ends(&run(&["completions", "cmd"]), 2, "cmd");
}

#[tokio::test]
async fn nothing_is_coloured_where_no_terminal_is() {
    let file = File::new("nothing_is_coloured_where_no_terminal_is");
    webui(&file).await;
    let outputs = [
        run(&["--help"]),
        run(&["sideways"]),
        run(&["inspect", "--from", &file.url()]),
        prune(&file, Some(KEY), &["--max-sessions", "1"]),
        prune(&file, Some(KEY), &["--max-sessions", "1", "--yes"]),
        prune(&file, None, &["--max-sessions", "1"]),
    ];
    for output in outputs {
        assert!(!text(&output).contains('\u{1b}'), "{:?}", text(&output));
    }
}
