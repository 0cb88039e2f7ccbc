//! The directions of ARCHITECTURE.md, held against the code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 3] = ["session-core", "session-tower", "session-migrate"];

/// The rooms of the core, from the ground up.
const ROOMS: [&str; 9] =
    ["clock", "session", "token", "event", "policy", "provider", "store", "manager", "testing"];

/// Where a library may be named.
const PLACES: [(&str, &str); 4] = [
    ("moka", "session-tower/src/cache"),
    ("axum_core", "session-tower/src/extract"),
    ("sea_orm", "session-core/src/store/sea_orm"),
    ("openidconnect", "session-core/src/provider/openid"),
];

const LONGEST_FILE: usize = 500;

struct Source {
    /// From the workspace's root, with `/`.
    path: String,
    /// Without comments, and without the unit tests at its end.
    code: String,
    lines: usize,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(under: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(under)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(&path));
            }
        }
    }
    assert!(!found.is_empty(), "no sources under {under}");
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn source(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<&str> = before_tests.lines().filter(is_code).collect();
    let path = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    Source { path, code: code.join("\n"), lines: text.lines().count() }
}

/// Every path in the code that begins with this word, such as `crate::store::Lease`.
fn paths_from<'a>(code: &'a str, first: &str) -> Vec<&'a str> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.match_indices(&format!("{first}::"))
        .filter(|(at, _)| !code[..*at].ends_with(is_path))
        .map(|(at, _)| {
            let rest = &code[at..];
            &rest[..rest.find(|c| !is_path(c)).unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn a_room_of_the_core_imports_only_what_stands_below_it() {
    let height = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut upward = Vec::new();
    for source in sources("session-core/src") {
        let inside = source.path.strip_prefix("session-core/src/").unwrap();
        let Some(mine) = height(inside.split(['/', '.']).next().unwrap()) else { continue };
        for path in paths_from(&source.code, "crate") {
            let room = path.split("::").nth(1).unwrap();
            match height(room) {
                Some(theirs) if theirs <= mine => {}
                _ => upward.push(format!("{}: {path}", source.path)),
            }
        }
    }
    assert!(upward.is_empty(), "upward arrows:\n{}", upward.join("\n"));
}

#[test]
fn a_library_is_named_in_its_room_alone() {
    let mut strays = Vec::new();
    for source in CRATES.iter().flat_map(|name| sources(&format!("{name}/src"))) {
        for (library, place) in PLACES {
            // The migrations speak SeaORM too, through the crate of migrations.
            let is_named = !paths_from(&source.code, library).is_empty();
            if is_named && !source.path.starts_with(place) {
                strays.push(format!("{}: {library}", source.path));
            }
        }
    }
    assert!(strays.is_empty(), "libraries outside their rooms:\n{}", strays.join("\n"));
}

#[test]
fn only_the_clock_reads_the_time() {
    let is_clock = |path: &str| path == "session-core/src/clock.rs";
    for source in
        ["session-core", "session-tower"].iter().flat_map(|c| sources(&format!("{c}/src")))
    {
        for reading in ["SystemTime::now", "Instant::now", "Utc::now", "CURRENT_TIMESTAMP"] {
            let reads = source.code.contains(reading) && !is_clock(&source.path);
            assert!(!reads, "{} reads {reading}", source.path);
        }
    }
}

#[test]
fn no_file_is_over_long() {
    let folders = CRATES.iter().map(|name| format!("{name}/src")).chain(["examples".to_owned()]);
    for source in folders.flat_map(|folder| sources(&folder)) {
        assert!(source.lines <= LONGEST_FILE, "{} has {} lines", source.path, source.lines);
    }
}

#[test]
fn no_circle_of_files() {
    for name in CRATES {
        let files = Files::of(name);
        let circle = files.circle();
        assert!(circle.is_none(), "a circle of files: {}", circle.unwrap().join(" -> "));
    }
}

/// The files of a crate by their module, such as `store::row`, and whom each imports.
struct Files {
    code: BTreeMap<String, String>,
    /// What a module gives on from a child: `store` + `Lease` -> `store::lease`.
    given_on: BTreeMap<(String, String), String>,
}

impl Files {
    fn of(name: &str) -> Self {
        let folder = format!("{name}/src/");
        let module = |path: &str| {
            let inside = path.strip_prefix(&folder).unwrap().trim_end_matches(".rs");
            let inside = inside.trim_end_matches("/mod").replace('/', "::");
            if inside == "lib" { String::new() } else { inside }
        };
        let sources = sources(&folder);
        let code: BTreeMap<String, String> =
            sources.into_iter().map(|source| (module(&source.path), source.code)).collect();
        let mut files = Self { code, given_on: BTreeMap::new() };
        for (module, code) in &files.code.clone() {
            for (path, _) in uses(code).into_iter().filter(|(_, is_public)| *is_public) {
                let name = path.rsplit("::").next().unwrap().to_owned();
                if let Some(child) = files.file_of(module, &path) {
                    files.given_on.insert((module.clone(), name), child);
                }
            }
        }
        files
    }

    /// The file that a path leads to from inside a module; `None` for other crates.
    fn file_of(&self, module: &str, path: &str) -> Option<String> {
        let mut at: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
        let mut parts: Vec<&str> = path.split("::").collect();
        match parts[0] {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            "self" => {}
            first => {
                let child = [&at[..], &[first]].concat().join("::");
                if !self.code.contains_key(&child) {
                    return None;
                }
                parts.insert(0, "self");
            }
        }
        for part in &parts[1..] {
            let below = [&at[..], &[*part]].concat().join("::");
            if *part == "super" {
                at.pop();
            } else if self.code.contains_key(&below) {
                at.push(part);
            } else {
                let key = (at.join("::"), (*part).to_owned());
                return Some(self.given_on.get(&key).cloned().unwrap_or_else(|| at.join("::")));
            }
        }
        Some(at.join("::"))
    }

    fn imports(&self, module: &str) -> BTreeSet<String> {
        let private = uses(&self.code[module]).into_iter().filter(|(_, is_public)| !is_public);
        let files = private.filter_map(|(path, _)| self.file_of(module, &path));
        files.filter(|file| file != module).collect()
    }

    fn circle(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        self.code.keys().find_map(|module| self.walk(module, &mut Vec::new(), &mut done))
    }

    fn walk(
        &self,
        module: &str,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|passed| passed == module) {
            return Some([&way[start..], &[module.to_owned()]].concat());
        }
        if done.contains(module) {
            return None;
        }
        way.push(module.to_owned());
        let circle = self.imports(module).iter().find_map(|next| self.walk(next, way, done));
        way.pop();
        done.insert(module.to_owned());
        circle
    }
}

/// Every `use` of a file: its whole path, and whether it gives it on.
fn uses(code: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut lines = code.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let is_public = line.starts_with("pub");
        // `use a`, `pub use a` or `pub(super) use a`.
        let Some((before, tree)) = line.split_once("use ") else { continue };
        if !(before.is_empty() || before.starts_with("pub") && before.ends_with(' ')) {
            continue;
        }
        let mut tree = tree.to_owned();
        while !tree.ends_with(';') {
            tree.push_str(lines.next().expect("a use ends"));
        }
        expand(tree.trim_end_matches(';'), "", &mut |path| found.push((path, is_public)));
    }
    found
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn expand(tree: &str, before: &str, found: &mut impl FnMut(String)) {
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap().trim();
        if !path.is_empty() {
            found(format!("{before}{path}"));
        }
        return;
    };
    let Some(close) = tree.rfind('}') else { return };
    let before = format!("{before}{}", tree[..open].trim());
    let (mut depth, mut start) = (0, open + 1);
    for (at, c) in tree[open + 1..close].char_indices().map(|(at, c)| (open + 1 + at, c)) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand_boxed(&tree[start..at], &before, found);
                start = at + 1;
            }
            _ => {}
        }
    }
    expand_boxed(&tree[start..close], &before, found);
}

fn expand_boxed(tree: &str, before: &str, found: &mut dyn FnMut(String)) {
    let mut paths = Vec::new();
    collect(tree.trim(), before, &mut paths);
    paths.into_iter().for_each(found);
}

fn collect(tree: &str, before: &str, paths: &mut Vec<String>) {
    expand(tree, before, &mut |path| paths.push(path));
}

#[test]
fn the_reader_of_imports_understands_them() {
    let code = "use std::fmt;\npub use a::{B, c::{D, E as F}};\n    use super::x::Y;\n";
    let found = uses(code);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["std::fmt", "a::B", "a::c::D", "a::c::E", "super::x::Y"]);
    assert_eq!(found.iter().filter(|(_, is_public)| *is_public).count(), 3);
}
