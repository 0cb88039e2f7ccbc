//! Comments, messages and pages speak of processes, rows and requests as things.
#![allow(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use session_tests::sources::{Source, with_extension};

const AVOIDED: [&str; 7] = ["anybody", "he", "him", "his", "nobody", "somebody", "whoever"];

/// The words of this text that are to be avoided.
fn avoided(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_lowercase);
    words.filter(|word| AVOIDED.contains(&word.as_str())).collect()
}

/// The parts of a line of Rust that people read: a comment, and where messages count the texts.
fn prose(line: &str, has_messages: bool) -> String {
    if line.trim_start().starts_with("//") {
        return line.to_owned();
    }
    let mut prose = String::new();
    let (mut is_text, mut is_escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_text = !is_text,
            '/' if !is_text && line[at..].starts_with("// ") => return prose + &line[at..],
            _ if is_text && has_messages => prose.push(c),
            _ => {}
        }
        if c == '"' {
            prose.push(' ');
        }
    }
    prose
}

/// `file:line: words` for each line that has any.
fn offenders(source: &Source, read: impl Fn(&str) -> String) -> Vec<String> {
    let lines = source.text.lines().enumerate().filter_map(|(index, line)| {
        let words = avoided(&read(line));
        let place = format!("{}:{}: {}", source.path, index + 1, words.join(", "));
        (!words.is_empty()).then_some(place)
    });
    lines.collect()
}

#[test]
fn comments_and_messages_and_pages_use_plain_words() {
    let mut found = Vec::new();
    for source in with_extension("rs") {
        let is_test = source.path.contains("/tests/") || source.path.starts_with("tests/");
        found.extend(offenders(&source, |line| prose(line, !is_test)));
    }
    for page in with_extension("md") {
        found.extend(offenders(&page, str::to_owned));
    }
    assert!(found.is_empty(), "{} lines:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_reader_finds_comments_and_messages_and_nothing_else() {
    let is_plain = |line| avoided(&prose(line, true)).is_empty();
    assert!(!is_plain("    /// Nobody waits."));
    assert!(!is_plain("let a = 1; // for his sake"));
    assert!(!is_plain("tracing::warn!(%error, \"told \\\"by\\\" somebody\");"));
    assert!(is_plain("let he = \"the user\"; // the heap, this"));
    assert!(avoided(&prose("let him = \"nobody\";", false)).is_empty());
}
