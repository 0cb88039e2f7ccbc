//! Errors of a step.

use std::error::Error;

use crate::startup_error::StartupError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct StepError(String);

impl StepError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn of(error: &dyn Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self(text)
    }
}

impl From<reqwest::Error> for StepError {
    fn from(error: reqwest::Error) -> Self {
        // The URL may contain an authorization code.
        Self::of(&error.without_url())
    }
}

impl From<session_core::manager::ManagerError> for StepError {
    fn from(error: session_core::manager::ManagerError) -> Self {
        Self::of(&error)
    }
}

impl From<session_core::store::StoreError> for StepError {
    fn from(error: session_core::store::StoreError) -> Self {
        Self::of(&error)
    }
}

impl From<session_core::session::InvalidName> for StepError {
    fn from(error: session_core::session::InvalidName) -> Self {
        Self::of(&error)
    }
}

impl From<StartupError> for StepError {
    fn from(error: StartupError) -> Self {
        Self(error.with_causes())
    }
}

/// Checks that a value is the expected one.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    actual: T,
    expected: T,
) -> Result<(), StepError> {
    match actual == expected {
        true => Ok(()),
        false => Err(StepError::new(format!("{what}: is {actual:?}, should be {expected:?}"))),
    }
}
