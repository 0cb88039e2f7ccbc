//! The commands of `session-migrate`: arguments, calls into the library, and output.

use serde::Serialize;

pub(crate) mod args;
mod confirm;
pub(crate) mod error;
pub(crate) mod inspect;
pub(crate) mod moves;
mod progress;
pub(crate) mod prune;
mod show;
mod signal;

/// What a command prints on standard output, and whether its exit code is 0.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) text: String,
    pub(crate) is_success: bool,
}

impl CommandOutput {
    /// Creates a successful outcome with this text.
    pub(crate) const fn success(text: String) -> Self {
        Self { text, is_success: true }
    }

    /// Creates a successful outcome that shows a report as JSON or as prose.
    pub(crate) fn of<T: Serialize>(
        report: &T,
        is_json: bool,
        prose: impl Fn(&T) -> String,
    ) -> Self {
        Self::success(if is_json {
            serde_json::to_string_pretty(report).unwrap_or_default()
        } else {
            prose(report)
        })
    }
}
