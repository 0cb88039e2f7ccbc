//! The commands of `session-migrate`: arguments, calls into the library, and output.

use serde::Serialize;

pub(crate) mod args;
mod confirm;
pub(crate) mod error;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod manual;
pub(crate) mod moves;
mod progress;
pub(crate) mod prune;
mod show;
mod signal;

/// What a command prints on standard output, and what its exit code says.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) text: String,
    pub(crate) is_success: bool,
    /// Whether rows were quarantined although the caller asked to be told so.
    pub(crate) is_quarantined: bool,
}

impl CommandOutput {
    /// Creates a successful outcome with this text.
    pub(crate) const fn success(text: String) -> Self {
        Self { text, is_success: true, is_quarantined: false }
    }

    /// Returns the exit code: 0, 1 for a failure or a difference, 3 for quarantined rows.
    pub(crate) const fn exit_code(&self) -> u8 {
        match (self.is_success, self.is_quarantined) {
            (false, _) => 1,
            (true, true) => 3,
            (true, false) => 0,
        }
    }

    /// Says by the exit code if there are quarantined rows, where that is asked for.
    pub(crate) const fn strictly(mut self, is_strict: bool, quarantined: u64) -> Self {
        self.is_quarantined = is_strict && quarantined > 0;
        self
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
