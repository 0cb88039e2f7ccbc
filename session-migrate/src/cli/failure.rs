//! What a call answers when it fails: a line, or a form, and an exit code.

use std::error::Error;

use serde::Serialize;
use session_migrate::prune::{PruneError, PruneErrorKind};
use session_migrate::source::{SourceError, SqlError};
use session_migrate::{MigrateError, MigrateErrorKind};

/// A failed call.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    kind: &'static str,
    is_usage: bool,
}

#[derive(Serialize)]
struct Form<'a> {
    schema: &'static str,
    error: &'a str,
    kind: &'static str,
}

impl Failure {
    /// The words of the call cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: "usage", is_usage: true }
    }

    /// No row opens with the keys that were given.
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: "unreadable", is_usage: false }
    }

    pub(crate) const fn exit_code(&self) -> u8 {
        if self.is_usage { 2 } else { 1 }
    }

    /// This failure, of which everything was printed.
    pub(crate) fn printed(mut self) -> Self {
        self.message.clear();
        self
    }

    /// This failure, and what was done before it.
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
        let form = Form { schema, error: &self.message, kind: self.kind };
        serde_json::to_string_pretty(&form).unwrap_or_default()
    }
}

impl From<MigrateError> for Failure {
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
            MigrateErrorKind::StalePlan => "stale_plan",
            MigrateErrorKind::Target => "target",
            MigrateErrorKind::Unreadable => "unreadable",
            MigrateErrorKind::Usage => "usage",
            _ => "statement",
        };
        Self { message: chain(&error), kind, is_usage: error.is_misuse() }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self { message: chain(&error), kind: "source", is_usage: error.is_misuse() }
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        SourceError::from(error).into()
    }
}

impl From<PruneError> for Failure {
    fn from(error: PruneError) -> Self {
        let kind = match error.kind() {
            PruneErrorKind::Source(_) => "source",
            PruneErrorKind::View | PruneErrorKind::NoUniqueKey => "table",
            PruneErrorKind::MissingMoment => "usage",
            PruneErrorKind::Mismatch => "differs",
            _ => "statement",
        };
        Self { message: chain(&error), kind, is_usage: error.is_misuse() }
    }
}

/// An error with its causes, on one line. A cause that its error repeats is said once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
