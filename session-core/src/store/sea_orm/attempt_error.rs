//! A failed attempt: what to do about it, and the error to report if nothing helps.

use std::borrow::Cow;
use std::error::Error;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{DbBackend, DbErr, RuntimeErr};

use super::error_class::{ErrorClass, mysql_number};
use crate::store::{StoreError, StoreErrorKind};

/// A failed attempt.
#[derive(Debug)]
pub(super) struct AttemptError {
    pub(super) remedy: Remedy,
    pub(super) error: StoreError,
    /// Whether the attempt may have taken its effect all the same.
    pub(super) is_uncertain: bool,
}

/// What helps against a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Another connection.
    AnotherConnection,
    /// Nothing that the store can do.
    None,
    /// The same again, after a short pause.
    Repeat,
    /// The same again, but not often: the attempt has waited long already.
    RepeatAfterLongWait,
}

/// What a database reported, without the values that it repeats.
#[derive(Debug, thiserror::Error)]
#[error("database error {code}{message}")]
struct ScrubbedError {
    code: String,
    message: String,
}

impl AttemptError {
    pub(super) const fn new(error: StoreError) -> Self {
        Self { remedy: Remedy::None, error, is_uncertain: false }
    }

    /// Creates the error of a row that holds what no version of this crate writes.
    pub(super) fn corrupt(what: &'static str) -> Self {
        let error = StoreError::new(StoreErrorKind::Corrupt);
        Self::new(error.caused_by(format!("cannot read {what}")))
    }

    /// Creates the error of an attempt that found changed what it had read.
    #[cfg(feature = "postgres")]
    pub(super) const fn lost_race() -> Self {
        let error = StoreError::new(StoreErrorKind::Contended);
        Self { remedy: Remedy::Repeat, error, is_uncertain: false }
    }

    /// Creates the error of a statement that wrote nothing, or whose effect is rolled back.
    pub(super) fn without_effect(backend: DbBackend, error: DbErr) -> Self {
        let (remedy, kind) = consequence(ErrorClass::of(backend, &error));
        let error = StoreError::new(kind).caused_by(scrubbed(backend, error));
        Self { remedy, error, is_uncertain: false }
    }

    /// Creates the error of a commit, or of a statement that commits by itself: if the connection
    /// was lost, its outcome is unknown.
    pub(super) fn of_write(backend: DbBackend, error: DbErr) -> Self {
        let is_uncertain = ErrorClass::of(backend, &error) == ErrorClass::ConnectionLost;
        Self { is_uncertain, ..Self::without_effect(backend, error) }
    }
}

const fn consequence(class: ErrorClass) -> (Remedy, StoreErrorKind) {
    match class {
        ErrorClass::Conflict => (Remedy::Repeat, StoreErrorKind::Contended),
        ErrorClass::Contention => (Remedy::RepeatAfterLongWait, StoreErrorKind::Contended),
        ErrorClass::ConnectionLost | ErrorClass::ReadOnlyServer => {
            (Remedy::AnotherConnection, StoreErrorKind::Unavailable)
        }
        ErrorClass::Exhausted => (Remedy::None, StoreErrorKind::Unavailable),
        ErrorClass::Corrupt => (Remedy::None, StoreErrorKind::Corrupt),
        ErrorClass::Constraint | ErrorClass::PermissionOrSchema | ErrorClass::Other => {
            (Remedy::None, StoreErrorKind::Rejected)
        }
    }
}

/// Returns the cause as it may be shown: a database's message about a row, or SeaORM's about an
/// address, repeats values ("Key (digest)=(...) already exists").
fn scrubbed(backend: DbBackend, error: DbErr) -> Box<dyn Error + Send + Sync + 'static> {
    match &error {
        DbErr::Conn(RuntimeErr::SqlxError(driver))
        | DbErr::Exec(RuntimeErr::SqlxError(driver))
        | DbErr::Query(RuntimeErr::SqlxError(driver)) => match driver.as_ref() {
            SqlxError::Database(database) => without_values(backend, database.as_ref()).into(),
            SqlxError::Configuration(_) => "the database's address is invalid".into(),
            SqlxError::InvalidArgument(_) => "an argument cannot be encoded".into(),
            _ => error.into(),
        },
        DbErr::Conn(RuntimeErr::Internal(_)) => "cannot connect, or no driver is built in".into(),
        _ => error.into(),
    }
}

fn without_values(backend: DbBackend, error: &dyn DatabaseError) -> ScrubbedError {
    let state = error.code().unwrap_or(Cow::Borrowed(""));
    let number = mysql_number(error);
    let repeats_values = match backend {
        // PostgreSQL keeps the values of a violation in the detail, which is not shown.
        DbBackend::Postgres => state.starts_with("22"),
        DbBackend::MySql => state.starts_with("22") || state.starts_with("23") || number == 1366,
        _ => false,
    };
    let code = if number == 0 { state.into_owned() } else { number.to_string() };
    let message = if repeats_values { String::new() } else { format!(": {}", error.message()) };
    ScrubbedError { code, message }
}

#[cfg(test)]
mod tests {
    use super::super::error_class::ErrorClass;
    use super::{Remedy, consequence};
    use crate::store::StoreErrorKind::{Contended, Rejected, Unavailable};

    #[test]
    fn a_conflict_is_repeated_and_a_long_wait_is_repeated_less_often() {
        assert_eq!(consequence(ErrorClass::Conflict), (Remedy::Repeat, Contended));
        assert_eq!(consequence(ErrorClass::Contention), (Remedy::RepeatAfterLongWait, Contended));
    }

    #[test]
    fn a_server_that_goes_away_asks_for_another_connection() {
        let lost = consequence(ErrorClass::ConnectionLost);
        assert_eq!(lost, (Remedy::AnotherConnection, Unavailable));
        assert_eq!(consequence(ErrorClass::Exhausted), (Remedy::None, Unavailable));
    }

    #[test]
    fn a_missing_table_and_a_violated_constraint_are_permanent() {
        for class in [ErrorClass::PermissionOrSchema, ErrorClass::Constraint, ErrorClass::Other] {
            assert_eq!(consequence(class), (Remedy::None, Rejected));
        }
    }
}
