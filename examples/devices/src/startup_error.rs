//! Errors that stop the program, and their exit codes.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Why the application could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartupError {
    /// A flag or variable has an invalid value.
    #[error("{name}: {problem}")]
    Usage {
        /// The flag as typed, or the variable.
        name: &'static str,
        /// What is wrong with the value; never the value itself, which may contain a password.
        problem: String,
    },
    /// Something that the application needs is unavailable or does not match.
    #[error("{what}")]
    Start {
        /// What failed.
        what: String,
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl StartupError {
    pub(crate) fn usage(name: &'static str, problem: impl ToString) -> Self {
        Self::Usage { name, problem: problem.to_string() }
    }

    pub(crate) fn start(what: impl Into<String>) -> Self {
        Self::Start { what: what.into(), source: None }
    }

    pub(crate) fn caused_by(
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Start { what: what.into(), source: Some(source.into()) }
    }

    /// Returns 2 for invalid usage, as clap does, and 1 otherwise.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } => ExitCode::from(2),
            Self::Start { .. } => ExitCode::FAILURE,
        }
    }

    /// Formats the error with all its causes on one line.
    pub(crate) fn with_causes(&self) -> String {
        let mut text = format!("error: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }
}
