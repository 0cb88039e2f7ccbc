//! The example, run as a program.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::Command;

#[test]
fn the_story_holds() {
    let output = Command::new(env!("CARGO_BIN_EXE_migration-step")).output().unwrap();
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{told}");
    assert!(told.ends_with("All of it held.\n"), "{told}");
    assert_eq!(told.matches("    ok  ").count(), 12, "{told}");
}
