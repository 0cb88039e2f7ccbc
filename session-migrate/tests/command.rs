//! The command `session-migrate`: its output and its exit codes.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::PathBuf;
use std::process::{Command, Output};

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Database, Statement};
use serde_json::Value;
use session_core::Timestamp;
use session_migrate::source::{Cell, SourceKeys, TokenCodec as _, codec::Fernet};

/// A database file of one test.
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
fn ends(output: &Output, code: i32, expected: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", text(output));
    assert!(text(output).contains(expected), "not {expected:?} in {:?}", text(output));
}

#[test]
fn up_creates_the_tables_and_down_drops_them() {
    let file = File::new("up_creates_the_tables_and_down_drops_them");
    let url = file.url();
    ends(&run(&["status", "--to", &url]), 0, "pending m20260101_000001_create_session_tables");
    ends(&run(&["up", "--to", &url]), 0, "applied m20260101_000001_create_session_tables");
    ends(&run(&["up", "--to", &url]), 0, "nothing to do");
    ends(&run(&["status", "--to", &url]), 0, "applied m20261125_000001_add_moves");
    ends(&run(&["status", "--to", &url]), 0, "applied m20260101_000001_create_session_tables");
    ends(&run(&["down", "--to", &url]), 2, "confirm with --yes");
    ends(&run(&["status", "--to", &url]), 0, "applied");
    ends(&run(&["down", "--yes", "--to", &url]), 0, "dropped");
    ends(&run(&["status", "--to", &url]), 0, "pending");
}

#[test]
fn status_writes_nothing() {
    let file = File::new("status_writes_nothing");
    ends(&run(&["status", "--to", &file.url()]), 0, "pending");
    assert!(!file.0.exists(), "not even an empty file");
}

#[test]
fn wrong_arguments_and_failures_have_different_exit_codes() {
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
fn the_command_line_comes_before_the_environment() {
    let [here, other] = ["here", "other"].map(|name| File::new(&format!("before_{name}")));
    ends(&run(&["up", "--to", &here.url()]), 0, "applied");
    let status = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_session-migrate"));
        command.env("DATABASE_URL", other.url()).arg("status").args(words).output().unwrap()
    };
    let output = status(&["--from", &here.url(), "--json"]);
    assert_eq!(json(&output)["has_tables"], true, "{}", text(&output));
    ends(&status(&[]), 0, "pending");
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

/// Creates a database with Open WebUI's schema: three sign-ins of one user, and one of another.
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

/// Returns the keys of the rows that are left.
async fn left(file: &File) -> String {
    let connection = Database::connect(file.url()).await.unwrap();
    let sql = "SELECT group_concat(id ORDER BY id) FROM oauth_session";
    let query = Statement::from_string(connection.get_database_backend(), sql);
    let left = connection.query_one_raw(query).await.unwrap().unwrap();
    connection.close().await.unwrap();
    left.try_get_by_index(0).unwrap()
}

/// Runs `prune` on this file with these arguments and, if given, the source's key.
fn prune(file: &File, key: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-migrate"));
    for name in ["DATABASE_URL", "SESSION_KEYS", "SESSION_MIGRATE_SOURCE_KEY"] {
        command.env_remove(name);
    }
    if let Some(key) = key {
        command.env("SESSION_MIGRATE_SOURCE_KEY", key);
    }
    command.args(["prune", "--from", &file.url(), "--preset", "openwebui"]);
    command.args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn prune_writes_only_with_yes() {
    let file = File::new("prune_writes_only_with_yes");
    webui(&file).await;
    let before = std::fs::read(&file.0).unwrap();
    ends(&prune(&file, Some(KEY), &["--max-sessions", "2"]), 0, "1 of 4 rows would be pruned");
    let shown = prune(&file, Some(KEY), &["--max-sessions", "2", "--json"]);
    ends(&shown, 0, "session-migrate/prune-plans/1");
    let plan = json(&shown);
    assert_eq!((&plan["rows"], &plan["pruned"]), (&4.into(), &1.into()));
    let of = &plan["mappings"][0];
    assert_eq!(
        (&of["schema"], &of["victims"][0]["key"]),
        (&"session-migrate/prune-plan/1".into(), &"c1".into())
    );
    assert_eq!(std::fs::read(&file.0).unwrap(), before, "a plan has written");

    let done = prune(&file, Some(KEY), &["--max-sessions", "2", "--batch", "1", "--yes", "--json"]);
    ends(&done, 0, "session-migrate/prunes/1");
    let report = json(&done);
    assert_eq!((&report["pruned"], &report["is_stopped"]), (&1.into(), &false.into()));
    assert_eq!(left(&file).await, "c2,c3,c4");
    ends(&prune(&file, Some(KEY), &["--max-sessions", "2", "--yes"]), 0, "0 of 3 rows were pruned");

    let connection = Database::connect(file.url()).await.unwrap();
    for statement in report["mappings"][0]["undo"].as_array().unwrap() {
        connection.execute_unprepared(statement.as_str().unwrap()).await.unwrap();
    }
    connection.close().await.unwrap();
    assert_eq!(left(&file).await, "c1,c2,c3,c4");
}

#[tokio::test]
async fn a_refused_prune_writes_nothing() {
    let file = File::new("a_refused_prune_writes_nothing");
    webui(&file).await;
    let before = std::fs::read(&file.0).unwrap();
    ends(&prune(&file, Some(KEY), &["--yes"]), 2, "--max-sessions");
    ends(&prune(&file, Some(KEY), &["--max-sessions", "0", "--yes"]), 2, "--max-sessions");
    ends(
        &prune(&file, Some(KEY), &["--max-sessions", "1", "--newest-by", "used", "--yes"]),
        2,
        "used",
    );
    // Without the right key it is unknown which rows are usable.
    for key in [None, Some("another")] {
        ends(&prune(&file, key, &["--max-sessions", "1", "--yes"]), 1, "--count all");
    }
    let refused = prune(&file, None, &["--max-sessions", "1", "--yes", "--json"]);
    let error = json(&refused);
    assert_eq!(
        (&error["schema"], &error["kind"]),
        (&"session-migrate/error/1".into(), &"unreadable".into())
    );
    let other = ["prune", "--from", &file.url(), "--preset", "spring", "--max-sessions", "1"];
    ends(&run(&other), 2, "the preset spring needs");
    assert_eq!(json(&run(&[&other[..], &["--json"]].concat()))["kind"], "usage");
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
    // Ranking all rows alike needs no key.
    ends(
        &prune(&file, None, &["--max-sessions", "1", "--count", "all", "--yes"]),
        0,
        "2 of 4 rows were pruned",
    );
    assert_eq!(left(&file).await, "c2,c4");
}

/// Every subcommand.
const TASKS: [&str; 17] = [
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
    "unblock",
    "prune",
    "up",
    "down",
    "completions",
    "man",
    "key",
];

#[test]
fn the_help_of_every_task_begins_with_a_verb() {
    let help = text(&run(&["--help"]));
    for task in TASKS {
        let line = help.lines().find(|line| line.trim_start().starts_with(task)).unwrap();
        let verb = line.split_whitespace().nth(1).unwrap();
        assert!(verb.starts_with(char::is_uppercase) && verb.ends_with('s'), "{line}");
    }
}

#[test]
fn every_task_is_in_the_manual_and_in_the_completions() {
    let manual = text(&run(&["man"]));
    assert!(manual.starts_with(".ie") && manual.contains(".SH"), "{manual}");
    for task in TASKS {
        let page = format!("session\\-migrate\\-{task}(1)");
        assert!(manual.contains(&page), "{task} is not in the manual");
    }
    for task in TASKS {
        let page = text(&run(&["man", task]));
        let title = format!("session\\-migrate\\-{task}");
        assert!(page.contains(".SH SYNOPSIS") && page.contains(&title), "{page}");
    }
    ends(&run(&["man", "sideways"]), 2, "sideways");
    let into = std::env::temp_dir().join(format!("session-migrate-man-{}", std::process::id()));
    std::fs::create_dir(&into).unwrap();
    ends(&run(&["man", "--into", into.to_str().unwrap()]), 0, "written");
    for task in TASKS {
        assert!(into.join(format!("session-migrate-{task}.1")).exists(), "{task}");
    }
    std::fs::remove_dir_all(&into).unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&run(&["completions", shell]));
        for task in TASKS {
            assert!(script.contains(task), "{task} is not in the completions of {shell}");
        }
    }
    ends(&run(&["completions", "cmd"]), 2, "cmd");
}

#[test]
fn the_help_lists_presets_and_values() {
    let help = text(&run(&["apply", "--help"]));
    for value in ["openwebui", "python-social-auth", "renewed", "user,provider,account", "usable"] {
        assert!(help.contains(value), "{value} is not in {help}");
    }
    ends(&run(&["plan", "--from", "sqlite::memory:", "--preset", "openwebi"]), 2, "openwebui");
}

#[test]
fn a_fresh_key_is_one() {
    let keys = [&["key"][..], &["key"], &["key", "main"]].map(|words| {
        let entry = text(&run(words)).trim().to_owned();
        session_core::Keyring::parse(&entry).unwrap();
        entry
    });
    assert_ne!(keys[0], keys[1]);
    let ids = keys.each_ref().map(|entry| entry.split(':').next().unwrap());
    assert!(ids[0] != ids[1] && ids[2] == "main", "{ids:?}");
    ends(&run(&["key", "a:b"]), 2, "id of the key");
}

#[tokio::test]
async fn options_without_effect_are_refused() {
    let file = File::new("options_without_effect_are_refused");
    webui(&file).await;
    let url = file.url();
    let to = ["--max-sessions", "2", "--to", "sqlite://other.db"];
    ends(&prune(&file, Some(KEY), &to), 2, "leave --to out");
    for words in [["--count", "all"], ["--partition", "user,provider"], ["--newest-by", "created"]]
    {
        let plan = [&["plan", "--from", &url, "--preset", "openwebui"][..], &words].concat();
        ends(&run(&plan), 2, "--max-sessions");
    }
}

#[tokio::test]
async fn the_only_preset_that_matches_is_taken() {
    let file = File::new("the_only_preset_that_matches_is_taken");
    webui(&file).await;
    let words = ["prune", "--from", &file.url(), "--max-sessions", "2", "--count", "all"];
    ends(&run(&words), 0, "oauth_session: 1 of 4 rows would be pruned");
}

#[tokio::test]
async fn output_without_a_terminal_has_no_escape_codes() {
    let file = File::new("output_without_a_terminal_has_no_escape_codes");
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
