//! What a statement's failure means: repeat it, or say which kind of trouble it is.

use std::borrow::Cow;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{ConnAcquireErr, DbBackend, DbErr, RuntimeErr};

use crate::store::{StoreError, StoreErrorKind};

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) remedy: Remedy,
    pub(super) error: StoreError,
    /// Whether the attempt may have taken its effect all the same.
    pub(super) is_uncertain: bool,
}

/// What helps against a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Another connection: this one was dead.
    AnotherConnection,
    /// Nothing that the store can do.
    None,
    /// The same again, after a short pause: another transaction was in the way.
    Repeat,
    /// The same again, but not often: it has waited long for another transaction.
    RepeatAfterLongWait,
}

/// What a database said, without the values that it repeats.
#[derive(Debug, thiserror::Error)]
#[error("database error {code}{message}")]
struct Complaint {
    code: String,
    message: String,
}

impl Failure {
    pub(super) const fn new(error: StoreError) -> Self {
        Self { remedy: Remedy::None, error, is_uncertain: false }
    }

    pub(super) const fn of(kind: StoreErrorKind) -> Self {
        Self::new(StoreError::new(kind))
    }

    /// A failure where nothing was written yet, or where what was written is rolled back.
    pub(super) fn without_effect(backend: DbBackend, error: DbErr) -> Self {
        let (remedy, kind) = diagnosis(backend, &error);
        let error = StoreError::new(kind).caused_by(scrubbed(backend, error));
        Self { remedy, error, is_uncertain: false }
    }

    /// A failure of a commit, or of a statement that commits by itself: where the connection is
    /// lost, nobody knows whether it took effect.
    pub(super) fn of_write(backend: DbBackend, error: DbErr) -> Self {
        let failure = Self::without_effect(backend, error);
        let is_uncertain = failure.remedy == Remedy::AnotherConnection;
        Self { is_uncertain, ..failure }
    }
}

/// A row that holds what no version of this crate writes.
pub(super) fn corrupt(what: &'static str) -> Failure {
    let error = StoreError::new(StoreErrorKind::Corrupt);
    Failure::new(error.caused_by(format!("cannot read {what}")))
}

fn diagnosis(backend: DbBackend, error: &DbErr) -> (Remedy, StoreErrorKind) {
    use StoreErrorKind::{Corrupt, Rejected, Unavailable};
    match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed) => {
            (Remedy::None, Unavailable)
        }
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => of_driver(backend, error),
        DbErr::Type(_) | DbErr::TryIntoErr { .. } => (Remedy::None, Corrupt),
        _ => (Remedy::None, Rejected),
    }
}

fn of_driver(backend: DbBackend, error: &SqlxError) -> (Remedy, StoreErrorKind) {
    use StoreErrorKind::{Corrupt, Rejected, Unavailable};
    match error {
        SqlxError::Io(_) | SqlxError::Protocol(_) | SqlxError::WorkerCrashed => {
            (Remedy::AnotherConnection, Unavailable)
        }
        SqlxError::BeginFailed => (Remedy::AnotherConnection, Unavailable),
        SqlxError::PoolTimedOut | SqlxError::PoolClosed | SqlxError::Tls(_) => {
            (Remedy::None, Unavailable)
        }
        SqlxError::ColumnDecode { .. } | SqlxError::Decode(_) => (Remedy::None, Corrupt),
        SqlxError::Database(error) => of_database(backend, error.as_ref()),
        _ => (Remedy::None, Rejected),
    }
}

fn of_database(backend: DbBackend, error: &dyn DatabaseError) -> (Remedy, StoreErrorKind) {
    let code = error.code().unwrap_or(Cow::Borrowed(""));
    match backend {
        DbBackend::Postgres => of_postgres(&code),
        DbBackend::MySql => of_mysql(number(error), &code),
        _ => of_sqlite(code.parse().unwrap_or(0)),
    }
}

/// By SQLSTATE, see the appendix "Error Codes" of PostgreSQL's manual.
fn of_postgres(code: &str) -> (Remedy, StoreErrorKind) {
    use StoreErrorKind::{Contended, Rejected, Unavailable};
    match code {
        // Serialization failure, deadlock.
        "40001" | "40P01" => (Remedy::Repeat, Contended),
        // A lock timeout.
        "55P03" => (Remedy::RepeatAfterLongWait, Contended),
        // The server is going down or coming up, an idle timeout of its side has struck.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => {
            (Remedy::AnotherConnection, Unavailable)
        }
        code if code.starts_with("08") => (Remedy::AnotherConnection, Unavailable),
        // A statement timeout; too many connections; no memory.
        "57014" | "53300" | "53200" => (Remedy::None, Unavailable),
        _ => (Remedy::None, Rejected),
    }
}

/// By error number, see "Server Error Message Reference" of MySQL and MariaDB.
fn of_mysql(number: u16, code: &str) -> (Remedy, StoreErrorKind) {
    use StoreErrorKind::{Contended, Rejected, Unavailable};
    match (number, code) {
        // A lock wait that timed out.
        (1205, _) => (Remedy::RepeatAfterLongWait, Contended),
        // A deadlock; a snapshot that is too old (MariaDB 11.6).
        (1213 | 1020, _) | (_, "40001") => (Remedy::Repeat, Contended),
        // The server is going down, or has given the connection up.
        (1053 | 1077 | 1079 | 1158..=1161 | 1184 | 1927 | 2006 | 2013 | 3169 | 4031, _) => {
            (Remedy::AnotherConnection, Unavailable)
        }
        (_, code) if code.starts_with("08") && number != 1040 => {
            (Remedy::AnotherConnection, Unavailable)
        }
        // Too many connections; a query that was killed, or took too long.
        (1040 | 1203 | 1226 | 1317 | 1969 | 3024, _) => (Remedy::None, Unavailable),
        _ => (Remedy::None, Rejected),
    }
}

/// By the extended result code, whose low byte is the primary one.
fn of_sqlite(code: u32) -> (Remedy, StoreErrorKind) {
    use StoreErrorKind::{Contended, Corrupt, Rejected, Unavailable};
    match code & 0xff {
        // Busy; locked.
        5 | 6 => (Remedy::RepeatAfterLongWait, Contended),
        // An I/O error; the file cannot be opened.
        10 | 14 => (Remedy::None, Unavailable),
        // The file is damaged, or not a database.
        11 | 26 => (Remedy::None, Corrupt),
        _ => (Remedy::None, Rejected),
    }
}

#[cfg(feature = "mysql")]
fn number(error: &dyn DatabaseError) -> u16 {
    error.try_downcast_ref::<sea_orm::SqlxMySqlError>().map_or(0, |error| error.number())
}

#[cfg(not(feature = "mysql"))]
const fn number(_: &dyn DatabaseError) -> u16 {
    0
}

/// The cause as it may be shown: what a database says of a row, or SeaORM of an address, repeats
/// values ("Key (digest)=(...) already exists").
fn scrubbed(
    backend: DbBackend,
    error: DbErr,
) -> Box<dyn std::error::Error + Send + Sync + 'static> {
    match &error {
        DbErr::Conn(RuntimeErr::SqlxError(driver))
        | DbErr::Exec(RuntimeErr::SqlxError(driver))
        | DbErr::Query(RuntimeErr::SqlxError(driver)) => match driver.as_ref() {
            SqlxError::Database(database) => complaint(backend, database.as_ref()).into(),
            SqlxError::Configuration(_) => "the database's address cannot be used".into(),
            SqlxError::InvalidArgument(_) => "an argument cannot be sent".into(),
            _ => error.into(),
        },
        DbErr::Conn(RuntimeErr::Internal(_)) => "no connection, or no driver for one".into(),
        _ => error.into(),
    }
}

fn complaint(backend: DbBackend, error: &dyn DatabaseError) -> Complaint {
    let state = error.code().unwrap_or(Cow::Borrowed(""));
    let number = number(error);
    let repeats_values = match backend {
        // PostgreSQL keeps the values of a violation in the detail, which is not shown.
        DbBackend::Postgres => state.starts_with("22"),
        DbBackend::MySql => state.starts_with("22") || state.starts_with("23") || number == 1366,
        _ => false,
    };
    let code = if number == 0 { state.into_owned() } else { number.to_string() };
    let message = if repeats_values { String::new() } else { format!(": {}", error.message()) };
    Complaint { code, message }
}

#[cfg(test)]
mod tests {
    use super::{Remedy, of_mysql, of_postgres, of_sqlite};
    use crate::store::StoreErrorKind;

    #[test]
    fn transactions_in_each_others_way_are_repeated() {
        for (remedy, kind) in [of_postgres("40001"), of_postgres("40P01"), of_mysql(1213, "40001")]
        {
            assert_eq!((remedy, kind), (Remedy::Repeat, StoreErrorKind::Contended));
        }
        for (remedy, kind) in [of_postgres("55P03"), of_mysql(1205, "HY000"), of_sqlite(5)] {
            assert_eq!((remedy, kind), (Remedy::RepeatAfterLongWait, StoreErrorKind::Contended));
        }
        assert_eq!(of_sqlite(517).0, Remedy::RepeatAfterLongWait, "a busy snapshot is busy");
    }

    #[test]
    fn a_server_that_goes_away_asks_for_another_connection() {
        for (remedy, kind) in [of_postgres("57P01"), of_postgres("08006"), of_mysql(1927, "70100")]
        {
            assert_eq!((remedy, kind), (Remedy::AnotherConnection, StoreErrorKind::Unavailable));
        }
        assert_eq!(of_mysql(1040, "08004"), (Remedy::None, StoreErrorKind::Unavailable));
    }

    #[test]
    fn a_missing_table_is_final() {
        for diagnosis in [of_postgres("42P01"), of_mysql(1146, "42S02"), of_sqlite(1)] {
            assert_eq!(diagnosis, (Remedy::None, StoreErrorKind::Rejected));
        }
    }
}
