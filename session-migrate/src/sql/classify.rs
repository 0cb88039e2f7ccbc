//! What a database error means, by its code: the one list of codes of this crate.

use sea_orm_migration::sea_orm::DbErr;

/// What helps against a database error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// A transaction that was undone for the sake of another one: repeat it.
    Conflict,
    /// A lock, or a statement under our own time limit, that was waited for too long: repeat it a
    /// few times.
    Busy,
    /// The server or the connection is gone.
    Disconnected,
    /// The server takes no writes, for example after a failover.
    ReadOnly,
    /// The database user lacks a right.
    Permission,
    /// The row violates a constraint.
    Constraint,
    /// Everything else: repeating it does not help.
    Other,
}

/// An error's code, in the terms of the database that gave it. The same digits mean other things
/// elsewhere: the low byte of PostgreSQL's 42501 is that of SQLite's BUSY.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The SQLSTATE.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "no such driver"))]
    Postgres(String),
    /// The error number and the SQLSTATE of MySQL and MariaDB.
    #[cfg_attr(not(feature = "mysql"), allow(dead_code, reason = "no such driver"))]
    Mysql(u16, String),
    /// The extended result code, whose low byte is the primary one.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "no such driver"))]
    Sqlite(u32),
}

impl Code {
    pub(super) fn class(&self) -> ErrorClass {
        match self {
            Self::Postgres(state) => class_of_postgres(state),
            Self::Mysql(number, state) => class_of_mysql(*number, state),
            Self::Sqlite(code) => class_of_sqlite(*code),
        }
    }

    /// Returns the code and the database's message, or the code alone where the message repeats
    /// values: data exceptions (class 22) and, on MySQL, violated constraints. PostgreSQL keeps the
    /// values of a violation in the detail, which is not shown; SQLite names columns only.
    pub(super) fn describe(&self, message: &str) -> String {
        let (code, repeats_values) = match self {
            Self::Postgres(state) => (state.clone(), state.starts_with("22")),
            Self::Mysql(number, state) => {
                let is_violation = state.starts_with("23") || *number == 1366;
                (number.to_string(), state.starts_with("22") || is_violation)
            }
            Self::Sqlite(code) => (code.to_string(), false),
        };
        match repeats_values {
            true => format!("database error {code}"),
            false => format!("database error {code}: {message}"),
        }
    }
}

/// By SQLSTATE, see the appendix "PostgreSQL Error Codes" of its manual.
fn class_of_postgres(state: &str) -> ErrorClass {
    match state {
        // Serialization failure; deadlock.
        "40001" | "40P01" => ErrorClass::Conflict,
        // A lock's timeout; a statement's, by which the wait for locks is limited.
        "55P03" | "57014" => ErrorClass::Busy,
        // The server shuts down, has crashed, or is starting; its own timeouts for idle clients.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => ErrorClass::Disconnected,
        "25006" => ErrorClass::ReadOnly,
        "42501" => ErrorClass::Permission,
        _ if state.starts_with("08") => ErrorClass::Disconnected,
        _ if state.starts_with("23") => ErrorClass::Constraint,
        _ => ErrorClass::Other,
    }
}

/// By error number, see the "Server Error Message Reference" of MySQL and of MariaDB.
fn class_of_mysql(number: u16, state: &str) -> ErrorClass {
    match number {
        // A deadlock; on MariaDB, a row that changed since the snapshot.
        1213 | 1020 => ErrorClass::Conflict,
        // A lock wait's timeout.
        1205 => ErrorClass::Busy,
        // --read-only, innodb_read_only; a Galera node that does not take statements yet.
        1290 | 1836 | 1047 => ErrorClass::ReadOnly,
        // No right to the database, to sign in, to the table, the column, or for the operation.
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 => ErrorClass::Permission,
        // The server is going down, or has given the connection up.
        1053 | 1077 | 1079 | 1158..=1161 | 1184 | 1927 | 2006 | 2013 | 3169 | 4031 => {
            ErrorClass::Disconnected
        }
        _ if state == "40001" => ErrorClass::Conflict,
        _ if state.starts_with("08") => ErrorClass::Disconnected,
        _ if state.starts_with("23") => ErrorClass::Constraint,
        _ => ErrorClass::Other,
    }
}

/// By result code, see "Result and Error Codes" of SQLite.
const fn class_of_sqlite(code: u32) -> ErrorClass {
    match code & 0xff {
        // BUSY; LOCKED.
        5 | 6 => ErrorClass::Busy,
        // READONLY.
        8 => ErrorClass::ReadOnly,
        // PERM; AUTH.
        3 | 23 => ErrorClass::Permission,
        // CONSTRAINT.
        19 => ErrorClass::Constraint,
        _ => ErrorClass::Other,
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
fn driver_error(error: &DbErr) -> Option<&sea_orm_migration::sea_orm::sqlx::Error> {
    use sea_orm_migration::sea_orm::RuntimeErr;

    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error.as_ref()),
        _ => None,
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
impl Code {
    /// Returns the code and the message, if the error comes from a database.
    pub(super) fn of(error: &DbErr) -> Option<(Self, String)> {
        let error = driver_error(error)?.as_database_error()?;
        let message = error.message().to_owned();
        #[cfg(feature = "postgres")]
        if let Some(error) =
            error.try_downcast_ref::<sea_orm_migration::sea_orm::SqlxPostgresError>()
        {
            return Some((Self::Postgres(error.code().to_owned()), message));
        }
        #[cfg(feature = "mysql")]
        if let Some(error) = error.try_downcast_ref::<sea_orm_migration::sea_orm::SqlxMySqlError>()
        {
            let state = error.code().unwrap_or_default().to_owned();
            return Some((Self::Mysql(error.number(), state), message));
        }
        let code = error.code()?.parse().unwrap_or(0);
        Some((Self::Sqlite(code), message))
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(super) fn class_without_code(error: &DbErr) -> ErrorClass {
    use sea_orm_migration::sea_orm::sqlx::Error;

    if matches!(error, DbErr::ConnectionAcquire(_)) {
        return ErrorClass::Disconnected;
    }
    match driver_error(error) {
        Some(
            Error::Io(_)
            | Error::Tls(_)
            | Error::Protocol(_)
            | Error::BeginFailed
            | Error::PoolClosed
            | Error::PoolTimedOut
            | Error::WorkerCrashed,
        ) => ErrorClass::Disconnected,
        _ => ErrorClass::Other,
    }
}

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
impl Code {
    pub(super) const fn of(_: &DbErr) -> Option<(Self, String)> {
        None
    }
}

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
pub(super) const fn class_without_code(_: &DbErr) -> ErrorClass {
    ErrorClass::Other
}

#[cfg(test)]
mod tests {
    use super::{Code, ErrorClass};

    fn postgres(state: &str) -> Code {
        Code::Postgres(state.to_owned())
    }

    fn mysql(number: u16, state: &str) -> Code {
        Code::Mysql(number, state.to_owned())
    }

    #[test]
    fn each_code_has_its_class_on_its_own_database_only() {
        use ErrorClass::{Busy, Conflict, Constraint, Disconnected, Other, Permission, ReadOnly};
        let table = [
            (Conflict, vec![postgres("40001"), postgres("40P01")]),
            (Conflict, vec![mysql(1213, "40001"), mysql(1020, "HY000"), mysql(0, "40001")]),
            (Busy, vec![postgres("55P03"), postgres("57014"), mysql(1205, "HY000")]),
            // BUSY and its extended forms: RECOVERY, SNAPSHOT, TIMEOUT.
            (Busy, [5, 261, 517, 773].map(Code::Sqlite).into()),
            // LOCKED and its extended forms: SHAREDCACHE, VTAB.
            (Busy, [6, 262, 518].map(Code::Sqlite).into()),
            (Disconnected, ["57P01", "57P02", "57P03", "57P05"].map(postgres).into()),
            (Disconnected, ["08000", "08001", "08003", "08006"].map(postgres).into()),
            (Disconnected, vec![mysql(2013, "HY000"), mysql(1053, "08S01"), mysql(1, "08S01")]),
            (ReadOnly, vec![postgres("25006"), mysql(1290, "HY000"), mysql(1836, "HY000")]),
            (ReadOnly, vec![mysql(1047, "08S01"), Code::Sqlite(8), Code::Sqlite(1032)]),
            (Permission, vec![postgres("42501"), mysql(1142, "42000"), Code::Sqlite(23)]),
            (Constraint, vec![postgres("23505"), mysql(1062, "23000"), Code::Sqlite(2067)]),
            (Other, vec![postgres("42P01"), mysql(1146, "42S02"), Code::Sqlite(1)]),
            // Codes of one database mean nothing on another one.
            (Other, ["5", "6", "261", "517", "1205", "1213", "1142"].map(postgres).into()),
            (Other, vec![mysql(5, ""), mysql(6, ""), mysql(261, "HY000"), mysql(517, "HY000")]),
            (Other, vec![mysql(0, "40P01"), mysql(0, "55P03"), mysql(0, "57P01")]),
            (Other, vec![mysql(0, "25006"), mysql(0, "42501")]),
            (Other, [1213, 1020, 1290, 57014].map(Code::Sqlite).into()),
        ];
        for (class, codes) in table {
            for code in codes {
                assert_eq!(code.class(), class, "{code:?}");
            }
        }
    }

    #[test]
    fn a_message_that_repeats_values_is_not_shown() {
        for code in [postgres("22P02"), mysql(1062, "23000"), mysql(1366, "HY000")] {
            assert!(!code.describe("Duplicate entry 'hunter2'").contains("hunter2"), "{code:?}");
        }
        let text = postgres("42501").describe("permission denied for table session");
        assert_eq!(text, "database error 42501: permission denied for table session");
    }
}
