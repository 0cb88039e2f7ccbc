//! Why the bench cannot run.

use std::fmt;

/// Why the bench cannot run. What the checker finds is no error, but part of the report.
#[derive(Debug)]
pub struct BenchError {
    what: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl BenchError {
    /// Creates an error that says what is wrong and what to do.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), cause: None }
    }

    /// Returns a function that says what failed, for `map_err`.
    pub fn because<E>(what: &str) -> impl Fn(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |cause| Self { what: what.to_owned(), cause: Some(Box::new(cause)) }
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{}: {cause}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for BenchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
