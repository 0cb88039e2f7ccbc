//! Each row of the list of failures (F) and of the security checklist (S, C, T, L, R, V, B, K, A),
//! and each law of the stores, is in the name of a test, as in `f13_ended_it_stays_ended`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::{Path, PathBuf};

const ROWS: [(&str, u32); 11] = [
    ("f", 42),
    ("s", 7),
    ("c", 7),
    ("t", 4),
    ("l", 6),
    ("r", 9),
    ("v", 4),
    ("b", 7),
    ("k", 3),
    ("a", 1),
    ("law_", 11),
];

/// Rows that are no business of these crates, and whose it is.
const OUTSIDE: [(&str, &str); 3] = [
    ("b1", "the application checks a logout token; `end_by_provider` takes what it then says"),
    ("b2", "the type of a logout token: as B1"),
    ("b3", "the claims of a logout token: as B1"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All Rust files of the workspace.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// The names of the tests in a file: functions with the attribute, bodies that run on every
/// database, and the cases of the conformance suite, which have neither.
fn tests_in(source: &str) -> Vec<&str> {
    let (mut has_attribute, mut runs_on_every_database) = (false, false);
    let mut names = Vec::new();
    for line in source.lines() {
        let code = line.trim_start();
        match line {
            "on_every_database! {" => runs_on_every_database = true,
            "}" => runs_on_every_database = false,
            _ => has_attribute |= code == "#[test]" || code.starts_with("#[tokio::test"),
        }
        let Some(name) = function(code) else { continue };
        let is_body = runs_on_every_database && line.starts_with("    async fn");
        if has_attribute || is_body || (code.starts_with("async") && name.starts_with("law_")) {
            names.push(name);
        }
        has_attribute = false;
    }
    names
}

fn function(code: &str) -> Option<&str> {
    let code = code.strip_prefix("async ").unwrap_or(code).strip_prefix("fn ")?;
    code.split(['(', '<']).next()
}

/// `v4` names `f13_v4_ended`, and `law_1` does not name `law_11_all_end`.
fn names(test: &str, row: &str) -> bool {
    format!("_{test}_").contains(&format!("_{row}_"))
}

#[test]
fn every_row_that_applies_is_named_by_a_test_and_no_other_is() {
    let sources = sources();
    let tests: Vec<&str> = sources.iter().flat_map(|source| tests_in(source)).collect();
    let rows = ROWS.iter().flat_map(|(kind, last)| (1..=*last).map(move |n| format!("{kind}{n}")));
    let (mut unnamed, mut named_after_all) = (Vec::new(), Vec::new());
    for row in rows {
        let is_named = tests.iter().any(|test| names(test, &row));
        match (is_named, OUTSIDE.iter().any(|(outside, _)| *outside == row)) {
            (false, false) => unnamed.push(row),
            (true, true) => named_after_all.push(row),
            _ => {}
        }
    }
    assert!(unnamed.is_empty(), "no test names {unnamed:?}");
    assert!(named_after_all.is_empty(), "said to be outside, and tested: {named_after_all:?}");
}

#[test]
fn the_reader_of_names_tells_tests_from_other_functions() {
    let source = "
fn f1_no_test() {}
#[tokio::test(flavor = \"multi_thread\")]
#[allow(clippy::too_many_lines)]
async fn f2_test() {}
async fn f3_no_test() {}
on_every_database! {
    async fn f4_body(database: Migrated) {
        async fn f5_inner() {}
    }
}
    async fn f6_no_test() {}
async fn law_1_case(nodes: Nodes) {}
    #[test]
    fn f13_v4_test() {}";
    let found = tests_in(source);
    assert_eq!(found, ["f2_test", "f4_body", "law_1_case", "f13_v4_test"]);
    assert!(names("f13_v4_test", "f13") && names("f13_v4_test", "v4"));
    assert!(!names("f13_v4_test", "f1") && !names("law_11_case", "law_1"));
}
