//! Why the program ends early, and with which exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Why a copy does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A flag or variable has a value that cannot be meant.
    #[error("{name}: {problem}")]
    Usage {
        /// The flag, as it is typed, or the variable.
        name: &'static str,
        /// What is wrong with its value; never the value, which may hold a password.
        problem: String,
    },
    /// Something that is needed is away or does not fit.
    #[error("{what}")]
    Start {
        /// What could not be done.
        what: String,
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl Failure {
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

    /// 2 for what the caller typed, as clap has it; 1 for everything else.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } => ExitCode::from(2),
            Self::Start { .. } => ExitCode::FAILURE,
        }
    }

    /// The failure with all its causes, on one line.
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
