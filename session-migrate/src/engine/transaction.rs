//! Which failures of a transaction a repetition helps against.

use crate::error::MigrateError;
use crate::sql::RedactedDbError;

/// Returns whether another transaction was in the way, so that the same may succeed when it is
/// begun again.
pub(crate) fn is_transient(error: &MigrateError) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<RedactedDbError>() {
            return error.is_contended();
        }
        cause = error.source();
    }
    false
}
