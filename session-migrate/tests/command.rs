//! The command: what it says, and how it ends.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::PathBuf;
use std::process::{Command, Output};

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
    assert_eq!(std::fs::metadata(&file.0).unwrap().len(), 0);
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
        "redis://user:hunter2@localhost/0",
        "postgres://user:hunter2@localhost:99999/db",
        "postgres://user:hunter2@localhost/db?sslmode=hunter2",
        "mysql:user:hunter2",
        "hunter2",
    ];
    for address in addresses {
        let output = run(&["up", "--to", address]);
        ends(&output, 1, "error: ");
        assert!(!text(&output).contains("hunter2"), "{}", text(&output));
    }
    let help = Command::new(env!("CARGO_BIN_EXE_session-migrate"))
        .env("DATABASE_URL", "postgres://user:hunter2@localhost/db")
        .args(["up", "--help"])
        .output()
        .unwrap();
    assert!(!text(&help).contains("hunter2"), "{}", text(&help));
}
