//! Conventions of names and documentation.

use std::collections::BTreeMap;

use super::{CRATES, Source, crate_sources, sources};

/// First words that end in "s" and are no verbs.
const NO_VERBS: [&str; 6] = ["Always", "As", "Is", "Its", "Less", "This"];

/// Names that a macro of SeaORM asks for, in each file that it is used in.
const MACRO_NAMES: [&str; 3] = ["Model", "Relation", "Migration"];

#[test]
fn every_source_begins_with_a_line_of_documentation() {
    let offenders: Vec<String> = crate_sources()
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| source.path)
        .collect();
    assert!(offenders.is_empty(), "files without //!:\n{}", offenders.join("\n"));
}

#[test]
fn limits_are_named_max_and_min() {
    let mut offenders = Vec::new();
    for source in crate_sources() {
        for line in source.code.lines() {
            let name = line.split_once("const ").map_or("", |(_, name)| name);
            if ["MOST_", "LONGEST_", "SHORTEST_", "SOON"].iter().any(|word| name.starts_with(word))
            {
                offenders.push(format!("{}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(offenders.is_empty(), "constants:\n{}", offenders.join("\n"));
}

/// Returns the type that a line at the left edge defines.
fn type_name(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) => rest.strip_prefix('(').map_or(rest, |rest| rest.split_once(')').unwrap().1),
        None => line,
    };
    let line = line.strip_prefix(' ').unwrap_or(line);
    let (kind, rest) = line.split_once(' ')?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    ["struct", "enum", "trait", "type"].contains(&kind).then_some(&rest[..end])
}

#[test]
fn no_two_types_of_a_crate_have_one_name() {
    let mut offenders = Vec::new();
    for name in CRATES {
        let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for source in sources(&format!("{name}/src/")).iter().filter(|source| !source.is_test()) {
            for found in source.code.lines().filter_map(type_name) {
                homes.entry(found.to_owned()).or_default().push(source.path.clone());
            }
        }
        homes.retain(|found, homes| homes.len() > 1 && !MACRO_NAMES.contains(&found.as_str()));
        offenders
            .extend(homes.iter().map(|(found, homes)| format!("{found}: {}", homes.join(", "))));
    }
    assert!(offenders.is_empty(), "types of one name:\n{}", offenders.join("\n"));
}

/// Returns the first lines of documentation of public functions, each with its function.
fn first_lines(source: &Source) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut first, mut is_in_docs) = (None, false);
    for line in source.text.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            if !is_in_docs {
                first = Some(doc.trim().to_owned());
            }
            is_in_docs = true;
            continue;
        }
        is_in_docs = false;
        let is_public = ["pub fn ", "pub const fn ", "pub async fn ", "pub const async fn "]
            .iter()
            .any(|start| line.starts_with(start));
        if let Some(doc) = first.take_if(|_| is_public) {
            found.push((line.to_owned(), doc));
        } else if line.ends_with(['{', '}', ';', ',']) || line.is_empty() {
            // An attribute may stand between the documentation and the function.
            first = None;
        }
    }
    found
}

fn begins_with_a_verb(doc: &str) -> bool {
    let word = doc.split(|c: char| !c.is_alphanumeric()).next().unwrap();
    word.starts_with(|c: char| c.is_uppercase()) && word.ends_with('s') && !NO_VERBS.contains(&word)
}

#[test]
fn public_functions_say_first_what_they_do() {
    let mut offenders = Vec::new();
    for source in crate_sources() {
        for (function, doc) in first_lines(&source) {
            if !begins_with_a_verb(&doc) {
                offenders.push(format!("{}: {function}\n    {doc}", source.path));
            }
        }
    }
    assert!(offenders.is_empty(), "{} functions:\n{}", offenders.len(), offenders.join("\n"));
}

#[test]
fn the_reader_of_documentation_sees_first_lines() {
    let text = "/// The key.\n///\n/// More.\n#[must_use]\npub const fn key(&self) {}\n\n/// Sets it.\n\
                pub fn set() {}\n/// A field.\npub a: u8,\npub fn bare() {}\n";
    let found = first_lines(&Source::new("a.rs", text));
    let docs: Vec<&str> = found.iter().map(|(_, doc)| doc.as_str()).collect();
    assert_eq!(docs, ["The key.", "Sets it."]);
    assert!(begins_with_a_verb("Sets it.") && !begins_with_a_verb("The key."));
    assert!(!begins_with_a_verb("This is it."));
    assert_eq!(type_name("pub(crate) struct Key<'a> {"), Some("Key"));
    assert_eq!((type_name("    type Output = u8;"), type_name("pub enum A {")), (None, Some("A")));
}
