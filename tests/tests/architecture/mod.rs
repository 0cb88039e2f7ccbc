//! Checks the code against the directions and conventions of ARCHITECTURE.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod conventions;
mod graph;

use graph::{FileGraph, paths_from};

const CRATES: [&str; 3] = ["session-core", "session-tower", "session-migrate"];

/// The modules of the core, from the ground up.
const CORE_LAYERS: [&str; 14] = [
    "error_chain",
    "clock",
    "session",
    "token",
    "dpop",
    "event",
    "metrics",
    "broadcast",
    "policy",
    "provider",
    "store",
    "manager",
    "middleware",
    "testing",
];

/// Libraries, and the only place where each may be named.
const LIBRARY_HOMES: [(&str, &str); 9] = [
    ("quick_cache", "session-tower/src/cache"),
    ("axum_core", "session-tower/src/extract"),
    ("sea_orm", "session-core/src/store/sea_orm"),
    ("metrics_facade", "session-core/src/metrics"),
    ("redis", "session-core/src/broadcast/pub_sub"),
    ("openidconnect", "session-core/src/provider/openid"),
    ("oauth2", "session-core/src/provider/openid/tool_server"),
    ("p256", "session-core/src/dpop/key"),
    ("reqwest", "session-core/src/provider/openid/default_client"),
];

const MAX_FILE_LINES: usize = 500;

/// A source file.
struct Source {
    /// From the workspace's root, with `/`.
    path: String,
    text: String,
    /// The text without comments, and without the unit tests at its end.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let code: Vec<&str> = before_tests.lines().filter(is_code).collect();
        Self { path: path.to_owned(), text: text.to_owned(), code: code.join("\n") }
    }

    /// Returns whether the file holds unit tests or test utilities.
    fn is_test(&self) -> bool {
        let has = |part| self.path.contains(part);
        has("/tests/") || has("/src/testing/") || self.path.ends_with("/tests.rs")
    }
}

/// Returns the sources under a folder, sorted by path.
fn sources(under: &str) -> Vec<Source> {
    let all = session_tests::sources::with_extension("rs").into_iter();
    let found = all.filter(|source| source.path.starts_with(under));
    let found: Vec<Source> = found.map(|source| Source::new(&source.path, &source.text)).collect();
    assert!(!found.is_empty(), "no sources under {under}");
    found
}

/// Returns the sources of the three crates.
fn crate_sources() -> impl Iterator<Item = Source> {
    CRATES.iter().flat_map(|name| sources(&format!("{name}/src/")))
}

#[test]
fn a_module_of_the_core_names_only_modules_below_it() {
    let height = |module: &str| CORE_LAYERS.iter().position(|known| *known == module);
    let mut upward = Vec::new();
    for source in sources("session-core/src/") {
        let inside = source.path.strip_prefix("session-core/src/").unwrap();
        let Some(mine) = height(inside.split(['/', '.']).next().unwrap()) else { continue };
        for path in paths_from(&source.code, "crate") {
            match height(path.split("::").nth(1).unwrap()) {
                Some(theirs) if theirs <= mine => {}
                _ => upward.push(format!("{}: {path}", source.path)),
            }
        }
    }
    assert!(upward.is_empty(), "named from below:\n{}", upward.join("\n"));
}

#[test]
fn a_library_is_named_in_its_home_alone() {
    let mut strays = Vec::new();
    for source in crate_sources() {
        for (library, home) in LIBRARY_HOMES {
            // The migrations use SeaORM too, through the crate of migrations.
            let is_named = !paths_from(&source.code, library).is_empty();
            if is_named && !source.path.starts_with(home) {
                strays.push(format!("{}: {library}", source.path));
            }
        }
    }
    assert!(strays.is_empty(), "libraries outside their homes:\n{}", strays.join("\n"));
}

#[test]
fn only_the_clock_reads_the_time() {
    let is_clock = |path: &str| path == "session-core/src/clock.rs";
    for source in
        ["session-core", "session-tower"].iter().flat_map(|c| sources(&format!("{c}/src/")))
    {
        for reading in ["SystemTime::now", "Instant::now", "Utc::now", "CURRENT_TIMESTAMP"] {
            let reads = source.code.contains(reading) && !is_clock(&source.path);
            assert!(!reads, "{} reads {reading}", source.path);
        }
    }
}

#[test]
fn no_file_is_too_long() {
    let folders = CRATES.iter().map(|name| format!("{name}/src/")).chain(["examples/".to_owned()]);
    for source in folders.flat_map(|folder| sources(&folder)) {
        let lines = source.text.lines().count();
        assert!(lines <= MAX_FILE_LINES, "{} has {lines} lines", source.path);
    }
}

fn assert_no_circle(name: &str) {
    let folder = format!("{name}/src/");
    let circles = FileGraph::of(&sources(&folder), &folder).circles();
    assert!(circles.is_empty(), "circles of files:\n{circles:#?}");
}

#[test]
fn no_circle_of_files_in_the_core() {
    assert_no_circle("session-core");
}

#[test]
fn no_circle_of_files_in_the_tower_crate() {
    assert_no_circle("session-tower");
}

#[test]
fn no_circle_of_files_in_the_migrate_crate() {
    assert_no_circle("session-migrate");
}
