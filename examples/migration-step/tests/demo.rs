//! The example, run as a program.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::Command;

#[test]
fn every_check_holds() {
    let output = Command::new(env!("CARGO_BIN_EXE_migration-step")).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.ends_with("All checks hold.\n"), "{text}");
    assert_eq!(text.matches("    ok  ").count(), 12, "{text}");
}
