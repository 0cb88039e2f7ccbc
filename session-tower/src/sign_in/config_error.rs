//! What is wrong with the settings of a sign-in, and what to do.

use std::borrow::Cow;

/// A sign-in cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sign-in's {field} {problem}")]
#[non_exhaustive]
pub struct SignInConfigError {
    field: &'static str,
    problem: Cow<'static, str>,
}

impl SignInConfigError {
    pub(super) fn new(field: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { field, problem: problem.into() }
    }

    /// Returns the name of the setting that is wrong.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}
