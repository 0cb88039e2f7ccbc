//! An error with its causes, for a line of the log.

use std::error::Error;
use std::fmt;

/// Displays an error followed by its causes, as one line.
///
/// The errors of these crates say what happened, and leave why to their sources, which contain no
/// secret.
///
/// ```
/// use session_core::middleware::ErrorChain;
/// use session_core::store::{StoreError, StoreErrorKind};
///
/// let error = StoreError::new(StoreErrorKind::Unavailable).caused_by("no answer in time");
/// let shown = ErrorChain(&error).to_string();
/// assert_eq!(shown, "the session store is unavailable: no answer in time");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(next) = cause {
            write!(f, ": {next}")?;
            cause = next.source();
        }
        Ok(())
    }
}
