//! The properties of the fuzz targets, on their corpus and on mutations of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;

use properties::{ALL, Property};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// How many inputs are drawn for each property.
const CASES: u32 = 2_000;

/// How many of a property that runs a database.
const SLOW_CASES: u32 = 200;

/// Returns the committed inputs of a property.
fn corpus(property: Property) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = root.join("fuzz/corpus").join(property.name);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One change of an input.
#[derive(Debug, Clone)]
enum Edit {
    Cut {
        at: usize,
        length: usize,
    },
    Insert {
        at: usize,
        bytes: Vec<u8>,
    },
    Replace {
        at: usize,
        byte: u8,
    },
    /// Puts a part of another input in.
    Splice {
        at: usize,
        from: usize,
        length: usize,
    },
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = || 0..4096_usize;
    let edit = prop_oneof![
        (at(), 1..40_usize).prop_map(|(at, length)| Edit::Cut { at, length }),
        (at(), prop::collection::vec(any::<u8>(), 1..12))
            .prop_map(|(at, bytes)| Edit::Insert { at, bytes }),
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace { at, byte }),
        (at(), at(), 1..80_usize).prop_map(|(at, from, length)| Edit::Splice { at, from, length }),
    ];
    prop::collection::vec(edit, 0..6)
}

fn apply(input: &mut Vec<u8>, edit: &Edit, other: &[u8]) {
    let place = |at: usize, length: usize| at % (length + 1);
    match edit {
        Edit::Cut { at, length } => {
            let at = place(*at, input.len());
            let end = input.len().min(at + length);
            input.drain(at..end);
        }
        Edit::Insert { at, bytes } => {
            let at = place(*at, input.len());
            input.splice(at..at, bytes.iter().copied());
        }
        Edit::Replace { at, byte } => {
            let length = input.len();
            if let Some(found) = input.get_mut(place(*at, length)) {
                *found = *byte;
            }
        }
        Edit::Splice { at, from, length } => {
            let from = place(*from, other.len());
            let part: Vec<u8> = other.iter().skip(from).take(*length).copied().collect();
            let at = place(*at, input.len());
            input.splice(at..at, part);
        }
    }
}

#[test]
fn each_property_holds_for_its_corpus() {
    for property in ALL.iter().copied() {
        let corpus = corpus(property);
        assert!(corpus.len() >= 5, "the corpus of {} is small", property.name);
        for input in corpus {
            (property.check)(&input);
        }
    }
}

#[test]
fn each_property_holds_for_mutations_of_its_corpus() {
    for property in ALL.iter().copied() {
        let is_slow = property.name == "change_log_key";
        let cases = if is_slow { SLOW_CASES } else { CASES };
        let corpus = corpus(property);
        let picks = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), edits());
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&picks, |(first, second, edits)| {
            let (mut input, other) = (first.get(&corpus).clone(), second.get(&corpus));
            edits.iter().for_each(|edit| apply(&mut input, edit, other));
            (property.check)(&input);
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{}: {error}", property.name));
    }
}
