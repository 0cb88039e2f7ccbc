//! What a command prints.

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
            true => println!("{}", self.json),
            false => println!("{}", self.text.trim_end()),
        }
    }

    pub(crate) const fn exit_code(&self) -> ExitCode {
        if self.is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
