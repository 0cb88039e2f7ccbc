//! Mapping files: what is accepted can be written and read back; what is refused is pointed at.

use std::str::FromStr as _;

use session_migrate::source::{Cursor, Mappings};

use crate::hidden::{CANARY, assert_debug_hides};

/// Checks a text as a mapping file, and as the position in a table that a later run goes on from.
pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Mappings::from_toml(text) {
        Ok(mappings) => check_accepted(&mappings),
        Err(error) => {
            let lines = text.matches('\n').count() + 1;
            assert!((1..=lines).contains(&error.line()), "line {} of {lines}", error.line());
            let line = text.split('\n').nth(error.line() - 1).unwrap();
            let columns = line.chars().count() + 1;
            assert!((1..=columns).contains(&error.column()), "{error}");
            assert!(!error.message().is_empty() && !error.message().contains('\n'));
        }
    }
    check_cursor(text);
}

fn check_accepted(mappings: &Mappings) {
    assert!(!mappings.mapping.is_empty(), "a file without a mapping moves nothing");
    let names: Vec<_> = mappings.mapping.iter().map(|mapping| mapping.name()).collect();
    for (at, name) in names.iter().enumerate() {
        assert!(!name.is_empty());
        assert!(!names[..at].contains(name), "two mappings are named {name:?}");
    }
    let written = mappings.to_toml().expect("what was read can be written");
    let read = Mappings::from_toml(&written).expect("what was written can be read");
    assert_eq!(&read, mappings, "{written}");
}

/// A position is read back as it was written, and shows no key: a key can be a cookie.
fn check_cursor(text: &str) {
    let Ok(cursor) = Cursor::from_str(text) else { return };
    assert_debug_hides(&cursor, &[CANARY]);
    let written = cursor.to_string();
    let again: Cursor = written.parse().expect("what was written can be read");
    assert_eq!(again.to_string(), written);
}
