//! What a command prints.

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::Value;

/// The result of a command, as JSON and as text.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) json: Value,
    pub(crate) text: String,
    /// Whether everything is as it should be.
    pub(crate) is_well: bool,
}

impl Output {
    pub(crate) const fn new(json: Value, text: String) -> Self {
        Self { json, text, is_well: true }
    }

    pub(crate) fn print(&self, is_json: bool) {
        match is_json {
            true => print(&self.json.to_string()),
            false => print(self.text.trim_end()),
        }
    }

    pub(crate) const fn exit_code(&self) -> ExitCode {
        if self.is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Prints a line. A reader that has gone away, as `head` does, has all it wants.
pub(crate) fn print(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Prints a line beside the output.
pub(crate) fn print_aside(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints an error, as JSON to the output or as text beside it.
pub(crate) fn print_error(text: &str, is_json: bool) {
    match is_json {
        true => print(&serde_json::json!({ "error": text }).to_string()),
        false => print_aside(&format!("error: {text}")),
    }
}
