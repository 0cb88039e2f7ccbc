//! The README's quick start is this example, word for word.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

const README: &str = include_str!("../../../README.md");
const MAIN: &str = include_str!("../src/main.rs");
const MANIFEST: &str = include_str!("../Cargo.toml");

/// Returns the first block of the README that begins with this line.
fn block(begin: &str) -> &'static str {
    let after = README.split_once(begin).unwrap().1;
    after.split_once("```").unwrap().0
}

#[test]
fn the_readme_s_code_is_the_program_of_at_most_60_lines_and_its_test() {
    let code = README.split("```rust").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    // A block of another kind, or a third one, would be compiled by nothing.
    let files = [MAIN, include_str!("../src/tests.rs")].map(|file| format!("\n{file}"));
    assert_eq!(code.collect::<Vec<_>>(), files);
    assert!(MAIN.lines().count() <= 60, "{} lines", MAIN.lines().count());
}

#[test]
fn the_readme_names_the_dependencies_of_the_example() {
    let of_example =
        MANIFEST.split_once("[dependencies]\n").unwrap().1.split_once("\n[").unwrap().0;
    // The README names versions, and the example the crates beside it.
    let printed = |begin| block(begin).replace("version = \"0.1\"", "workspace = true");
    assert_eq!(printed("[dependencies]\n").trim(), of_example.trim());
    assert!(MANIFEST.contains(printed("[dev-dependencies]\n").trim()));
    let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    assert_eq!(version, "0.1", "the README names the version 0.1");
}

/// Counts the lines that are neither blank nor a comment.
fn lines(program: &str) -> usize {
    let lines = program.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn the_comparison_says_how_many_lines_the_programs_have() {
    let page = include_str!("../../../docs/comparison.md");
    let axum_login = lines(include_str!("../../../docs/comparison/axum_login.rs"));
    let tower_sessions = lines(include_str!("../../../docs/comparison/tower_sessions.rs"));
    let ours = lines(MAIN);
    let sums = format!("| **all** | **{ours}** | **{axum_login}** | **{tower_sessions}** |");
    assert!(page.contains(&sums), "the page should say: {sums}");
    let told = format!(
        "has {ours} lines; the same with axum-login has {axum_login}, and\nwith tower-sessions {tower_sessions}"
    );
    assert!(README.contains(&told), "the README should say: {told}");
    let table = page.split_once("| set-up: ").unwrap().1.split_once("| **all**").unwrap().0;
    let numbers = |row: &str| -> Vec<usize> {
        let cells = row.split('|').skip(1).map(|cell| cell.split(',').next().unwrap().trim());
        cells.filter_map(|cell| cell.parse().ok()).collect()
    };
    let first: usize = table.lines().map(|row| numbers(row).last().copied().unwrap_or(0)).sum();
    assert_eq!(first, tower_sessions, "the parts of the last column");
}
