//! A failed command: its message, its JSON form and its exit code.

use std::error::Error;

use serde::Serialize;
use session_migrate::prune::{PruneError, PruneErrorKind};
use session_migrate::source::{SourceError, SqlError};
use session_migrate::{MigrateError, MigrateErrorKind};

/// A failed command.
#[derive(Debug)]
pub(crate) struct CliError {
    message: String,
    kind: &'static str,
    is_usage: bool,
}

#[derive(Serialize)]
struct ErrorReport<'a> {
    schema: &'static str,
    error: &'a str,
    kind: &'static str,
}

impl CliError {
    /// Creates an error of wrong arguments: the exit code is 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: "usage", is_usage: true }
    }

    /// Creates an error that no argument causes: the exit code is 1.
    pub(crate) fn failure(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: "failure", is_usage: false }
    }

    pub(crate) const fn exit_code(&self) -> u8 {
        if self.is_usage { 2 } else { 1 }
    }

    /// Marks the error as printed already: nothing more is written.
    pub(crate) fn printed(mut self) -> Self {
        self.message.clear();
        self
    }

    /// Adds what was done before the error.
    pub(crate) fn after(mut self, done: &str) -> Self {
        self.message.push_str("; before that, ");
        self.message.push_str(done);
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn to_json(&self) -> String {
        let schema = "session-migrate/error/1";
        let report = ErrorReport { schema, error: &self.message, kind: self.kind };
        serde_json::to_string_pretty(&report).unwrap_or_default()
    }
}

impl From<MigrateError> for CliError {
    fn from(error: MigrateError) -> Self {
        let kind = match error.kind() {
            MigrateErrorKind::Address => "address",
            MigrateErrorKind::AlreadyMoved => "already_moved",
            MigrateErrorKind::Busy => "busy",
            MigrateErrorKind::Cancelled => "cancelled",
            MigrateErrorKind::Connection => "connection",
            MigrateErrorKind::Differs => "differs",
            MigrateErrorKind::Keys => "keys",
            MigrateErrorKind::Lost => "lost",
            MigrateErrorKind::NoMove => "no_move",
            MigrateErrorKind::Phase => "phase",
            MigrateErrorKind::Source => "source",
            MigrateErrorKind::Settings => "settings",
            MigrateErrorKind::SourceKeys => "source_keys",
            MigrateErrorKind::StalePlan => "stale_plan",
            MigrateErrorKind::Target => "target",
            MigrateErrorKind::Throttled => "throttled",
            MigrateErrorKind::Unreadable => "unreadable",
            MigrateErrorKind::Usage => "usage",
            _ => "statement",
        };
        let mut message = chain(&error);
        if let Some(hint) = error.hint() {
            message = format!("{message}; {hint}");
        }
        Self { message, kind, is_usage: error.is_misuse() }
    }
}

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> Self {
        Self { message: chain(&error), kind: "source", is_usage: error.is_misuse() }
    }
}

impl From<SqlError> for CliError {
    fn from(error: SqlError) -> Self {
        SourceError::from(error).into()
    }
}

impl From<PruneError> for CliError {
    fn from(error: PruneError) -> Self {
        let kind = match error.kind() {
            PruneErrorKind::Source(_) => "source",
            PruneErrorKind::View | PruneErrorKind::NoUniqueKey => "table",
            PruneErrorKind::MissingMoment
            | PruneErrorKind::Layout
            | PruneErrorKind::SessionTable => "usage",
            PruneErrorKind::Mismatch => "differs",
            PruneErrorKind::Referred => "referred",
            PruneErrorKind::Unreadable => "unreadable",
            _ => "statement",
        };
        Self { message: chain(&error), kind, is_usage: error.is_misuse() }
    }
}

/// Returns an error with its causes on one line, without causes that it repeats.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
