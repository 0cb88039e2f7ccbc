//! What the command says where it cannot begin, and where its reader goes away.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use session_tests::database::Migrated;
use session_tests::on_every_database;

use crate::service::{OLD, Service};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessions"));
    command.args(arguments).env_remove("DATABASE_URL").env_remove("SESSION_KEYS");
    command.output().unwrap()
}

#[test]
fn wrong_arguments_are_json_where_json_is_asked_for() {
    for arguments in [
        &["--json", "lits", "ann"][..],
        &["list", "--json"],
        &["--json", "end", "ann", "no-id"],
        &["stats", "--colour", "--json"],
        &["purge", "--older-than", "0", "--json"],
        &["--json"],
    ] {
        let Output { status, stdout, stderr } = run(arguments);
        let json: Value = serde_json::from_slice(&stdout).unwrap_or_else(|_| panic!("{stdout:?}"));
        assert!(json["error"].as_str().is_some_and(|text| !text.is_empty()), "{json}");
        assert_eq!((status.code(), &*stderr), (Some(2), &b""[..]), "{arguments:?}");
    }
    let Output { status, stdout, stderr } = run(&["lits"]);
    assert_eq!((status.code(), stdout.len()), (Some(2), 0));
    assert!(String::from_utf8(stderr).unwrap().starts_with("error: unrecognized subcommand"));
    // Help is help.
    let Output { status, stdout, .. } = run(&["--json", "--help"]);
    assert_eq!(status.code(), Some(0));
    assert!(String::from_utf8(stdout).unwrap().contains("Usage: sessions"));
    let Output { status, stdout, .. } = run(&["--json", "stats"]);
    let json: Value = serde_json::from_slice(&stdout).unwrap();
    assert!(json["error"].as_str().unwrap().contains("DATABASE_URL"), "{json}");
    assert_eq!(status.code(), Some(1));
}

on_every_database! {
    async fn a_reader_that_goes_away_is_no_failure(database: Migrated) {
        let service = Service::new(&database).await;
        service.sign_in("ann").await;
        for arguments in [&["list", "ann"][..], &["stats"], &["end", "bob", "no-id"]] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut command = service.command(OLD, arguments);
            let child = command.stdout(Stdio::from(writer)).stderr(Stdio::piped()).spawn();
            let Output { status, stderr, .. } = child.unwrap().wait_with_output().unwrap();
            let stderr = String::from_utf8(stderr).unwrap();
            let code = if arguments.first() == Some(&"end") { 2 } else { 0 };
            assert_eq!((status.code(), &*stderr), (Some(code), ""), "{arguments:?}");
        }
    }
}
