//! Which file of a crate imports or calls which: by `use`, by path, and by methods of `impl` blocks.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;

/// Names that std and other libraries also have: a call says nothing about whose method it is.
const COMMON_METHODS: [&str; 47] = [
    "add",
    "all",
    "any",
    "as_bytes",
    "as_millis",
    "as_str",
    "begin",
    "build",
    "clear",
    "close",
    "columns",
    "contains",
    "count",
    "end",
    "field",
    "find",
    "get",
    "insert",
    "into_inner",
    "into_iter",
    "is_empty",
    "is_some",
    "iter",
    "join",
    "key",
    "keys",
    "kind",
    "len",
    "lock",
    "map",
    "max",
    "merge",
    "min",
    "name",
    "new",
    "open",
    "parse",
    "pop",
    "push",
    "read",
    "remove",
    "retain",
    "run",
    "send",
    "then",
    "values",
    "write",
];

/// The files of a crate by their module, such as `store::row`.
pub(crate) struct FileGraph {
    code: BTreeMap<String, String>,
    /// What a module re-exports: `store` and `Lease` from `store::lease`.
    reexports: BTreeMap<(String, String), String>,
    /// The files that define a method of a type, and the types that have a method.
    methods: BTreeMap<String, BTreeSet<(String, String)>>,
}

impl FileGraph {
    /// Reads the files of the crate whose sources are under `folder`.
    pub(crate) fn of(sources: &[Source], folder: &str) -> Self {
        let module = |path: &str| {
            let inside = path.strip_prefix(folder).unwrap().trim_end_matches(".rs");
            let inside = inside.trim_end_matches("/mod").replace('/', "::");
            if inside == "lib" { String::new() } else { inside }
        };
        let code: BTreeMap<String, String> =
            sources.iter().map(|source| (module(&source.path), source.code.clone())).collect();
        let mut graph = Self { code, reexports: BTreeMap::new(), methods: BTreeMap::new() };
        for (module, code) in &graph.code.clone() {
            for (path, _) in uses(code).into_iter().filter(|(_, is_public)| *is_public) {
                let name = path.rsplit("::").next().unwrap().to_owned();
                if let Some(file) = graph.file_of(module, &path).filter(|file| file != module) {
                    graph.reexports.insert((module.clone(), name), file);
                }
            }
            for block in blocks(code) {
                for method in block.methods {
                    let owners = graph.methods.entry(method).or_default();
                    owners.insert((block.owner.clone(), module.clone()));
                }
            }
        }
        graph
    }

    /// Returns the file that a path leads to from inside a module; `None` for other crates.
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
                return Some(self.origin(at.join("::"), part));
            }
        }
        Some(at.join("::"))
    }

    /// Follows re-exports of a name to the file that defines it.
    fn origin(&self, mut file: String, name: &str) -> String {
        while let Some(next) = self.reexports.get(&(file.clone(), name.to_owned())) {
            file.clone_from(next);
        }
        file
    }

    /// Returns the files that a file imports, names by path or calls methods of, each with one of
    /// the names that lead there.
    fn dependencies(&self, module: &str) -> BTreeMap<String, String> {
        let code = &self.code[module];
        let mut paths: Vec<String> = uses(code)
            .into_iter()
            .filter(|(_, is_public)| !is_public)
            .map(|(path, _)| path)
            .collect();
        let body = without_uses(code);
        for first in ["crate", "super"] {
            paths.extend(paths_from(&body, first).into_iter().map(str::to_owned));
        }
        let mut found = BTreeMap::new();
        for path in paths {
            if let Some(file) = self.file_of(module, &path) {
                found.entry(file).or_insert(path);
            }
        }
        for call in calls(code) {
            if let Some(file) = self.file_of_call(module, &call) {
                found.entry(file).or_insert(call.name);
            }
        }
        found.remove(module);
        found
    }

    /// Returns the file that defines the called method, if the call tells which it is.
    fn file_of_call(&self, module: &str, call: &Call) -> Option<String> {
        if call.is_path {
            let path = format!("{}::{}", call.receiver, call.name);
            if let Some(file) = self.file_of(module, &path) {
                return Some(file);
            }
        }
        let owners = self.methods.get(&call.name)?;
        let is_receiver = |(owner, _): &&(String, String)| {
            *owner == call.receiver
                || !call.is_path
                    && format!("_{}", snake_case(owner)).ends_with(&format!("_{}", call.receiver))
        };
        let of_receiver: Vec<_> = owners.iter().filter(is_receiver).collect();
        let is_common = COMMON_METHODS.contains(&call.name.as_str());
        let all: Vec<_> = owners.iter().filter(|_| !call.is_path && !is_common).collect();
        match (&of_receiver[..], &all[..]) {
            ([(_, file)], _) | ([], [(_, file)]) => Some(file.clone()),
            _ => None,
        }
    }

    /// Returns a circle of files, one step a line, if there is one.
    pub(crate) fn circle(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        self.code.keys().find_map(|module| self.walk(module, &mut Vec::new(), &mut done))
    }

    fn walk(
        &self,
        module: &str,
        way: &mut Vec<(String, String)>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|(passed, _)| passed == module) {
            let step = |(from, name): &(String, String)| format!("{from} uses {name} of");
            let steps = way[start..].iter().map(step);
            return Some(steps.chain([module.to_owned()]).collect());
        }
        if done.contains(module) {
            return None;
        }
        for (next, name) in self.dependencies(module) {
            way.push((module.to_owned(), name));
            let circle = self.walk(&next, way, done);
            way.pop();
            if circle.is_some() {
                return circle;
            }
        }
        done.insert(module.to_owned());
        None
    }
}

/// An `impl` block or a trait.
struct Block<'a> {
    owner: String,
    /// Its methods; none for the implementation of a trait, whose callers call the trait.
    methods: Vec<String>,
    body: &'a str,
}

/// Returns the blocks at the beginning of a line, as rustfmt writes them.
fn blocks(code: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut starts = Vec::new();
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        let item = line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
        let item = item.trim_start_matches("pub ");
        if line.starts_with("impl") || item.starts_with("trait ") {
            starts.push(at);
        }
        at += line.len();
    }
    for start in starts {
        let rest = &code[start..];
        let Some(open) = rest.find('{') else { continue };
        let body = &rest[open..rest.find("\n}").unwrap_or(rest.len()).max(open)];
        let header = rest[..open].split(" where").next().unwrap().replace('\n', " ");
        let (is_trait_impl, owner) = owner_of(&header);
        let is_method = |line: &&str| line.starts_with("    ") && !line[4..].starts_with(' ');
        let name = |line: &str| {
            let (_, rest) = line.split_once("fn ")?;
            Some(rest[..rest.find(['(', '<'])?].to_owned())
        };
        let methods = body.lines().filter(is_method).filter_map(name);
        let methods = if is_trait_impl { Vec::new() } else { methods.collect() };
        found.push(Block { owner, methods, body });
    }
    found
}

/// Returns whether a header is that of a trait's implementation, and the type that it is about.
fn owner_of(header: &str) -> (bool, String) {
    let (is_trait_impl, subject) = match header.rsplit_once(" for ") {
        Some((_, subject)) => (true, subject),
        None => {
            let subject = header.split_once("trait ").map_or_else(
                || without_generics(header.trim_start_matches("impl")),
                |(_, name)| name,
            );
            (false, subject)
        }
    };
    let name = subject.trim().split(['<', ':', ' ']).rfind(|part| {
        part.starts_with(|c: char| c.is_uppercase()) && subject.trim().contains(part)
    });
    let first = subject.trim().trim_start_matches('&').split(['<', ' ']).next().unwrap();
    let name = first.rsplit("::").next().filter(|first| !first.is_empty()).or(name);
    (is_trait_impl, name.unwrap_or_default().trim_end_matches(':').to_owned())
}

/// Cuts the parameters of an `impl<'a, T>`.
fn without_generics(header: &str) -> &str {
    let mut depth = 0;
    for (at, c) in header.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &header[at + usize::from(c == '>')..];
        }
    }
    header
}

/// A call of a method, or of an associated function by path.
struct Call {
    /// The last word before the name: a variable, a field, a type or a module.
    receiver: String,
    name: String,
    is_path: bool,
}

/// Returns the calls in a file; `self` and `Self` are replaced by the type of their block.
fn calls(code: &str) -> Vec<Call> {
    let mut found = calls_in(code);
    found.retain(|call| call.receiver != "self" && call.receiver != "Self");
    for block in blocks(code) {
        for mut call in calls_in(block.body) {
            if call.receiver == "self" || call.receiver == "Self" {
                call.receiver.clone_from(&block.owner);
                found.push(call);
            }
        }
    }
    found
}

fn calls_in(code: &str) -> Vec<Call> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let last_word = |text: &str| {
        let start = text.rfind(|c| !is_word(c)).map_or(0, |at| at + 1);
        text[start..].to_owned()
    };
    let call = |(at, _): (usize, &str)| {
        let name = last_word(&code[..at]);
        let before = &code[..at - name.len()];
        let (is_path, before) = match (before.strip_suffix("::"), before.strip_suffix('.')) {
            (Some(before), _) => (true, before),
            (_, Some(before)) => (false, before.trim_end()),
            _ => return None,
        };
        let receiver = last_word(before);
        (!name.is_empty()).then_some(Call { receiver, name, is_path })
    };
    code.match_indices('(').filter_map(call).collect()
}

/// `SessionManager` is `session_manager`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// Returns every path in the code that begins with this word, such as `crate::store::Lease`; the
/// paths of visibilities, such as `pub(in crate::store)`, are left out.
pub(crate) fn paths_from<'a>(code: &'a str, first: &str) -> Vec<&'a str> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.match_indices(&format!("{first}::"))
        .filter(|(at, _)| !code[..*at].ends_with(is_path) && !code[..*at].ends_with("(in "))
        .map(|(at, _)| {
            let rest = &code[at..];
            rest[..rest.find(|c| !is_path(c)).unwrap_or(rest.len())].trim_end_matches(':')
        })
        .collect()
}

/// Returns every `use` of a file: its whole path, and whether it is a re-export.
fn uses(code: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut lines = code.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some((is_public, tree)) = use_tree(line) else { continue };
        let mut tree = tree.to_owned();
        while !tree.ends_with(';') {
            tree.push_str(lines.next().expect("a use ends"));
        }
        let mut paths = Vec::new();
        expand(tree.trim_end_matches(';'), "", &mut paths);
        found.extend(paths.into_iter().map(|path| (path, is_public)));
    }
    found
}

/// Returns the tree of `use a`, `pub use a` or `pub(super) use a`, and whether it is public.
fn use_tree(line: &str) -> Option<(bool, &str)> {
    let (before, tree) = line.split_once("use ")?;
    let is_public = before.starts_with("pub");
    (before.is_empty() || is_public && before.ends_with(' ')).then_some((is_public, tree))
}

/// Returns the code without its `use` items.
fn without_uses(code: &str) -> String {
    let mut kept = String::new();
    let mut is_use = false;
    for line in code.lines() {
        is_use |= use_tree(line.trim()).is_some();
        if is_use {
            is_use = !line.ends_with(';');
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn expand(tree: &str, before: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let (Some(open), Some(close)) = (tree.find('{'), tree.rfind('}')) else {
        let path = tree.split(" as ").next().unwrap().trim();
        if !path.is_empty() {
            paths.push(format!("{before}{path}"));
        }
        return;
    };
    let before = format!("{before}{}", tree[..open].trim());
    let (mut depth, mut start) = (0, open + 1);
    for (at, c) in tree[open + 1..close].char_indices().map(|(at, c)| (open + 1 + at, c)) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&tree[start..at], &before, paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    expand(&tree[start..close], &before, paths);
}

fn graph_of(files: &[(&str, &str)]) -> FileGraph {
    let sources = files.iter().map(|(path, text)| Source::new(path, text)).collect::<Vec<_>>();
    FileGraph::of(&sources, "src/")
}

#[test]
fn uses_are_read_as_whole_paths() {
    let code = "use std::fmt;\npub use a::{B, c::{D, E as F}};\n    use super::x::Y;\n";
    let found = uses(code);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["std::fmt", "a::B", "a::c::D", "a::c::E", "super::x::Y"]);
    assert_eq!(found.iter().filter(|(_, is_public)| *is_public).count(), 3);
}

#[test]
fn a_circle_of_imports_is_found() {
    let one = ("src/one.rs", "use super::two::B;\npub struct A(B);\n");
    let two = ("src/two.rs", "pub struct B;\nfn f(_: crate::one::A) {}\n");
    assert!(graph_of(&[one, two]).circle().is_some());
    let two = ("src/two.rs", "pub struct B;\n");
    assert_eq!(graph_of(&[one, two]).circle(), None);
}

/// As the manager once was: `renewal` is imported by `resolve`, and calls back a method that
/// `resolve` gives to the type that both know from below.
#[test]
fn a_circle_through_an_impl_block_is_found() {
    let inner = ("src/inner.rs", "pub struct Inner;\nimpl Inner {\n    pub fn now(&self) {}\n}\n");
    let resolve = (
        "src/resolve.rs",
        "use super::inner::Inner;\nuse super::renewal;\n\nimpl Inner {\n    pub(super) fn timed_out(&self) \
         {}\n\n    fn read(&self) {\n        renewal::begin(self);\n    }\n}\n",
    );
    let renewal = |call: &str| {
        format!(
            "use super::inner::Inner;\n\npub(super) fn begin(inner: &Inner) {{\n    {call}\n}}\n"
        )
    };
    for call in
        ["inner.timed_out();", "Inner::timed_out(inner);", "self.inner\n        .timed_out();"]
    {
        let code = renewal(call);
        let circle = graph_of(&[inner, resolve, ("src/renewal.rs", &code)]).circle();
        assert!(circle.is_some_and(|circle| circle.len() == 3), "{call}");
    }
    let code = renewal("inner.now();");
    assert_eq!(graph_of(&[inner, resolve, ("src/renewal.rs", &code)]).circle(), None);
}

#[test]
fn a_method_that_two_types_have_is_told_by_its_receiver() {
    let policy =
        ("src/policy.rs", "pub struct Policy;\nimpl Policy {\n    pub fn over(&self) {}\n}\n");
    let live = (
        "src/live.rs",
        "use super::list::list;\npub struct Live;\nimpl Live {\n    pub fn over(&self) {}\n}\n",
    );
    let list = |receiver: &str| format!("pub fn list() {{\n    {receiver}.over();\n}}\n");
    let is_circle = |receiver: &str| {
        graph_of(&[policy, live, ("src/list.rs", &list(receiver))]).circle().is_some()
    };
    assert!(is_circle("live"));
    assert!(!is_circle("policy"));
}

#[test]
fn the_type_of_a_block_is_read() {
    let owner = |header: &str| owner_of(header);
    assert_eq!(owner("impl Inner "), (false, "Inner".to_owned()));
    assert_eq!(owner("impl<'a, T: Into<B>> Held<'a, T> "), (false, "Held".to_owned()));
    assert_eq!(owner("impl fmt::Debug for super::Inner "), (true, "Inner".to_owned()));
    assert_eq!(owner("pub trait Store: Send + Sync "), (false, "Store".to_owned()));
}
