//! Each row of the failures (F) and of the security checklist (S, C, T, L, R, V, B, K, A), and each
//! law of the stores, is in the name of a test, as in `f13_ended_it_stays_ended`; and each id that a
//! test or a comment names is a row.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::fs;

use session_tests::sources::{Source, root, with_extension};

const FAILURES: &str = "session-core/docs/failures.md";
const CHECKLIST: &str = "session-core/docs/checklist.md";
const LAWS: &str = "session-core/src/store/mod.rs";

/// What the pages say of a row that these crates leave to the application that uses them.
const OUTSIDE: &str = "the application";

/// The folders that a path on the pages may begin with.
const FOLDERS: [(&str, &str); 4] = [
    ("core/", "session-core/src/"),
    ("tower/", "session-tower/src/"),
    ("migrate/", "session-migrate/src/"),
    ("devices/", "examples/devices/src/"),
];

/// A row of the pages.
#[derive(Debug, PartialEq)]
struct Row {
    /// As in the names of tests: `f13`, `c7`, `law_4`.
    id: String,
    /// Whether it is left to the application.
    is_outside: bool,
}

impl Row {
    fn of(id: &str) -> Self {
        Self { id: id.to_lowercase(), is_outside: false }
    }
}

fn rows() -> Vec<Row> {
    let page = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let mut rows = failures_in(&page(FAILURES));
    rows.extend(checks_in(&page(CHECKLIST)));
    rows.extend(laws_in(&page(LAWS)));
    rows
}

/// Headings such as `### F13. A request in flight brings an ended session back`.
fn failures_in(page: &str) -> Vec<Row> {
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    headings.filter_map(|heading| Some(Row::of(heading.split_once(". ")?.0))).collect()
}

/// Table rows such as `| C7 | what holds | source | kept in |`.
fn checks_in(page: &str) -> Vec<Row> {
    let tables = page.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = tables.map(|row| row.trim_end_matches(" |").split(" | ").collect::<Vec<_>>());
    let rows = cells.filter(|cells| is_id(&cells[0].to_lowercase()));
    rows.map(|cells| Row { is_outside: cells.last() == Some(&OUTSIDE), ..Row::of(cells[0]) })
        .collect()
}

/// Numbered lines such as `//! 4. **One lease at a time.**`
fn laws_in(source: &str) -> Vec<Row> {
    let numbers = source.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(". **"));
    numbers.map(|(number, _)| Row::of(&format!("law_{number}"))).collect()
}

/// Whether a part of a name is an id of the pages: a letter and one or two digits.
fn is_id(part: &str) -> bool {
    let Some(number) = part.strip_prefix(|first| "fsctlrvbka".contains(first)) else {
        return false;
    };
    (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
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

/// The ids in a test's name: `f13` and `v4` in `f13_v4_ended`, and `law_11` in `law_11_all_end`.
fn ids_in_name(test: &str) -> Vec<String> {
    let parts: Vec<&str> = test.split('_').collect();
    let laws = parts.windows(2).filter(|pair| pair[0] == "law" && pair[1].parse::<u32>().is_ok());
    let laws = laws.map(|pair| pair.join("_"));
    parts.iter().filter(|part| is_id(part)).map(|part| (*part).to_owned()).chain(laws).collect()
}

/// The ids that a comment names, in capitals: `f13` in `// it has ended (F13)`.
fn ids_in_comment(line: &str) -> Vec<String> {
    let Some(comment) = line.trim_start().strip_prefix("//") else { return Vec::new() };
    let words = comment.split(|c: char| !c.is_alphanumeric() && !"_-`\"'".contains(c));
    let is_capital = |word: &&str| word.starts_with(|first: char| first.is_ascii_uppercase());
    words.filter(is_capital).map(str::to_lowercase).filter(|word| is_id(word)).collect()
}

/// All Rust files but this one, whose own tests have made-up names.
fn sources() -> Vec<Source> {
    let mut sources = with_extension("rs");
    sources.retain(|source| source.path != "tests/tests/checklist.rs");
    sources
}

#[test]
fn every_row_that_applies_is_named_by_a_test() {
    let sources = sources();
    let tests = sources.iter().flat_map(|source| tests_in(&source.text));
    let named: BTreeSet<String> = tests.flat_map(ids_in_name).collect();
    let rows = rows();
    let unnamed: Vec<_> =
        rows.iter().filter(|row| !row.is_outside && !named.contains(&row.id)).collect();
    assert!(unnamed.is_empty(), "no test names {unnamed:#?}");
    let tested: Vec<_> =
        rows.iter().filter(|row| row.is_outside && named.contains(&row.id)).collect();
    assert!(tested.is_empty(), "left to the application, and yet tested: {tested:#?}");
}

#[test]
fn every_id_that_a_test_or_a_comment_names_is_a_row() {
    let known: BTreeSet<String> = rows().into_iter().map(|row| row.id).collect();
    let mut unknown = BTreeSet::new();
    for source in sources() {
        let in_tests = tests_in(&source.text).into_iter().flat_map(ids_in_name);
        let in_comments = source.text.lines().flat_map(ids_in_comment);
        for id in in_tests.chain(in_comments).filter(|id| !known.contains(id)) {
            unknown.insert(format!("{}: {id}", source.path));
        }
    }
    assert!(unknown.is_empty(), "ids that no page has: {unknown:#?}");
}

#[test]
fn every_row_has_its_own_id() {
    let mut seen = BTreeSet::new();
    let rows = rows();
    let twice: Vec<_> = rows.iter().filter(|row| !seen.insert(&row.id)).collect();
    assert!(twice.is_empty(), "two rows of one id: {twice:?}");
    assert!(rows.len() >= 42 + 48 + 11, "rows were lost: {}", rows.len());
}

#[test]
fn every_module_that_the_pages_name_is_there() {
    let mut missing = BTreeSet::new();
    for page in [FAILURES, CHECKLIST] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for path in text.split('`').skip(1).step_by(2) {
            let Some(full) = in_workspace(path) else { continue };
            if !full.is_dir() && !full.with_extension("rs").is_file() {
                missing.insert(format!("{page}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "modules that are not there: {missing:#?}");
}

fn in_workspace(path: &str) -> Option<std::path::PathBuf> {
    FOLDERS
        .iter()
        .find_map(|(short, folder)| Some(root().join(folder).join(path.strip_prefix(short)?)))
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
    assert_eq!(ids_in_name("f13_v4_test"), ["f13", "v4"]);
    assert_eq!(ids_in_name("s4_law_11_case"), ["s4", "law_11"]);
    assert_eq!(ids_in_comment("    /// As RFC 6749 says (F7, V2); not `K1`."), ["f7", "v2"]);
    assert!(ids_in_comment("let key = \"K1\";").is_empty());
}

#[test]
fn the_reader_of_pages_finds_every_form_of_a_row() {
    assert_eq!(failures_in("# Caches\n### F14. A cache\ntext\n"), [Row::of("F14")]);
    let table =
        "| id | what |\n|---|---|\n| B1 | a | b | the application |\n| B4 | a | b | `core/x` |";
    let outside = Row { is_outside: true, ..Row::of("B1") };
    assert_eq!(checks_in(table), [outside, Row::of("B4")]);
    assert_eq!(laws_in("//! 4. **One lease.** More\n//! text\n"), [Row::of("law_4")]);
}
