//! What did not hold.

use std::error::Error;

use crate::failure::Failure;

/// What did not hold, for the table.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Problem(String);

impl Problem {
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

impl From<reqwest::Error> for Problem {
    fn from(error: reqwest::Error) -> Self {
        // The address may hold a code.
        Self::of(&error.without_url())
    }
}

impl From<session_core::manager::ManagerError> for Problem {
    fn from(error: session_core::manager::ManagerError) -> Self {
        Self::of(&error)
    }
}

impl From<session_core::store::StoreError> for Problem {
    fn from(error: session_core::store::StoreError) -> Self {
        Self::of(&error)
    }
}

impl From<session_core::session::InvalidName> for Problem {
    fn from(error: session_core::session::InvalidName) -> Self {
        Self::of(&error)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self(failure.with_causes())
    }
}

/// That both are the same, or what they are.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    is: T,
    should_be: T,
) -> Result<(), Problem> {
    match is == should_be {
        true => Ok(()),
        false => Err(Problem::new(format!("{what}: is {is:?}, should be {should_be:?}"))),
    }
}
