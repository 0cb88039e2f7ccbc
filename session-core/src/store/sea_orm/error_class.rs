//! The one list of database error codes (store law 12): what a code means, by kind of database.

use std::borrow::Cow;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{ConnAcquireErr, DbBackend, DbErr, RuntimeErr};

/// What a database error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// Another transaction was in the way, and this one was rolled back: a deadlock, a failed
    /// serialization, a snapshot that is too old.
    Conflict,
    /// Another transaction held a lock for as long as the server waits.
    Contention,
    /// The connection is gone.
    ConnectionLost,
    /// The server takes no writes: a replica, a demoted primary, a node that left its cluster.
    ReadOnlyServer,
    /// The server or the pool is out of connections, memory or time.
    Exhausted,
    /// A value or a file that cannot be read.
    Corrupt,
    /// A unique, foreign key, check or not-null constraint is violated.
    Constraint,
    /// A right, a table or a column is missing.
    PermissionOrSchema,
    /// Any other error; permanent.
    Other,
}

impl ErrorClass {
    /// Returns the class of an error of SeaORM.
    pub(super) fn of(backend: DbBackend, error: &DbErr) -> Self {
        match error {
            DbErr::ConnectionAcquire(
                ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed,
            ) => Self::Exhausted,
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => Self::of_driver(backend, error),
            DbErr::Type(_) | DbErr::TryIntoErr { .. } => Self::Corrupt,
            _ => Self::Other,
        }
    }

    fn of_driver(backend: DbBackend, error: &SqlxError) -> Self {
        match error {
            SqlxError::Io(_)
            | SqlxError::Protocol(_)
            | SqlxError::WorkerCrashed
            | SqlxError::BeginFailed => Self::ConnectionLost,
            SqlxError::PoolTimedOut | SqlxError::PoolClosed | SqlxError::Tls(_) => Self::Exhausted,
            SqlxError::ColumnDecode { .. } | SqlxError::Decode(_) => Self::Corrupt,
            SqlxError::Database(error) => {
                let code = error.code().unwrap_or(Cow::Borrowed(""));
                Self::of_code(backend, mysql_number(error.as_ref()), &code)
            }
            _ => Self::Other,
        }
    }

    /// Returns the class of a server's code. `number` is MySQL's error number; `code` is the
    /// SQLSTATE of PostgreSQL and MySQL, and the extended result code of SQLite.
    fn of_code(backend: DbBackend, number: u16, code: &str) -> Self {
        match backend {
            DbBackend::Postgres => of_postgres(code),
            DbBackend::MySql => of_mysql(number, code),
            _ => code.parse().map_or(Self::Other, of_sqlite),
        }
    }
}

/// By SQLSTATE; see the appendix "PostgreSQL Error Codes" of its manual.
fn of_postgres(code: &str) -> ErrorClass {
    match code {
        // Serialization failure, deadlock.
        "40001" | "40P01" => ErrorClass::Conflict,
        // A lock timeout.
        "55P03" => ErrorClass::Contention,
        // The server is going down or coming up; an idle timeout of its side.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => ErrorClass::ConnectionLost,
        // A read-only transaction: the server is a replica.
        "25006" => ErrorClass::ReadOnlyServer,
        // A statement timeout; a login that the server refuses, as while its password is changed.
        "57014" | "28000" | "28P01" => ErrorClass::Exhausted,
        // Too many connections, no memory, a full disk; an error of the disk.
        code if code.starts_with("53") || code.starts_with("58") => ErrorClass::Exhausted,
        code if code.starts_with("08") => ErrorClass::ConnectionLost,
        code if code.starts_with("23") => ErrorClass::Constraint,
        code if code.starts_with("42") || code.starts_with("3F") => ErrorClass::PermissionOrSchema,
        _ => ErrorClass::Other,
    }
}

/// By error number; see the "Server Error Message Reference" of MySQL and MariaDB.
fn of_mysql(number: u16, state: &str) -> ErrorClass {
    match number {
        // A deadlock; a snapshot that is too old (MariaDB 11.6).
        1213 | 1020 => ErrorClass::Conflict,
        // A lock wait that timed out.
        1205 => ErrorClass::Contention,
        // The server is going down, or has given up the connection.
        1053 | 1077 | 1079 | 1158..=1161 | 1184 | 1927 | 2006 | 2013 | 3169 | 4031 => {
            ErrorClass::ConnectionLost
        }
        // A Galera node that left its cluster; `read_only`, `super_read_only` or a read-only mode.
        1047 | 1290 | 1836 => ErrorClass::ReadOnlyServer,
        // Too many connections; a query that was killed, or took too long.
        1040 | 1203 | 1226 | 1317 | 1969 | 3024 => ErrorClass::Exhausted,
        // A full disk or table, an error of the disk, no memory; a commit that failed, as where a
        // Galera node has lost the others.
        1021 | 1114 | 1026 | 1030 | 1037 | 1038 | 1041 | 1180 => ErrorClass::Exhausted,
        // A login that the server refuses, as while its password is changed.
        1045 => ErrorClass::Exhausted,
        _ => match state {
            "40001" => ErrorClass::Conflict,
            state if state.starts_with("08") => ErrorClass::ConnectionLost,
            state if state.starts_with("23") => ErrorClass::Constraint,
            state if state.starts_with("42") => ErrorClass::PermissionOrSchema,
            _ => ErrorClass::Other,
        },
    }
}

/// By the extended result code, whose low byte is the primary one; see "Result and Error Codes" of
/// SQLite.
const fn of_sqlite(code: u32) -> ErrorClass {
    match code & 0xff {
        // BUSY, LOCKED.
        5 | 6 => ErrorClass::Contention,
        // NOMEM, IOERR, FULL, CANTOPEN.
        7 | 10 | 13 | 14 => ErrorClass::Exhausted,
        // CORRUPT, NOTADB.
        11 | 26 => ErrorClass::Corrupt,
        // CONSTRAINT.
        19 => ErrorClass::Constraint,
        // ERROR (no such table), PERM, AUTH.
        1 | 3 | 23 => ErrorClass::PermissionOrSchema,
        _ => ErrorClass::Other,
    }
}

#[cfg(feature = "mysql")]
pub(super) fn mysql_number(error: &dyn DatabaseError) -> u16 {
    error.try_downcast_ref::<sea_orm::SqlxMySqlError>().map_or(0, |error| error.number())
}

#[cfg(not(feature = "mysql"))]
pub(super) const fn mysql_number(_: &dyn DatabaseError) -> u16 {
    0
}

#[cfg(test)]
mod tests {
    use super::ErrorClass::{
        self, Conflict, ConnectionLost, Constraint, Contention, Corrupt, Exhausted, Other,
        PermissionOrSchema, ReadOnlyServer,
    };
    use sea_orm::DatabaseBackend::{self, MySql, Postgres, Sqlite};

    /// Database, MySQL's number, SQLSTATE or SQLite's code, and the class.
    const CODES: [(DatabaseBackend, u16, &str, ErrorClass); 62] = [
        (Postgres, 0, "40001", Conflict),
        (Postgres, 0, "40P01", Conflict),
        (Postgres, 0, "55P03", Contention),
        (Postgres, 0, "57P01", ConnectionLost),
        (Postgres, 0, "57P02", ConnectionLost),
        (Postgres, 0, "57P03", ConnectionLost),
        (Postgres, 0, "57P05", ConnectionLost),
        (Postgres, 0, "25P03", ConnectionLost),
        (Postgres, 0, "08000", ConnectionLost),
        (Postgres, 0, "08003", ConnectionLost),
        (Postgres, 0, "08006", ConnectionLost),
        (Postgres, 0, "25006", ReadOnlyServer),
        (Postgres, 0, "57014", Exhausted),
        (Postgres, 0, "53300", Exhausted),
        (Postgres, 0, "42501", PermissionOrSchema),
        (Postgres, 0, "42P01", PermissionOrSchema),
        (Postgres, 0, "23505", Constraint),
        (Postgres, 0, "23503", Constraint),
        (Postgres, 0, "22001", Other),
        (MySql, 1213, "40001", Conflict),
        (MySql, 1020, "HY000", Conflict),
        (MySql, 0, "40001", Conflict),
        (MySql, 1205, "HY000", Contention),
        (MySql, 1053, "08S01", ConnectionLost),
        (MySql, 1927, "70100", ConnectionLost),
        (MySql, 2006, "HY000", ConnectionLost),
        (MySql, 2013, "HY000", ConnectionLost),
        (MySql, 4031, "HY000", ConnectionLost),
        (MySql, 0, "08S01", ConnectionLost),
        (MySql, 1047, "08S01", ReadOnlyServer),
        (MySql, 1290, "HY000", ReadOnlyServer),
        (MySql, 1836, "HY000", ReadOnlyServer),
        (MySql, 1040, "08004", Exhausted),
        (MySql, 1969, "70100", Exhausted),
        (MySql, 3024, "HY000", Exhausted),
        (MySql, 1142, "42000", PermissionOrSchema),
        (MySql, 1146, "42S02", PermissionOrSchema),
        (MySql, 1062, "23000", Constraint),
        (MySql, 1406, "22001", Other),
        (Sqlite, 0, "5", Contention),
        (Sqlite, 0, "6", Contention),
        (Sqlite, 0, "261", Contention),
        (Sqlite, 0, "517", Contention),
        (Sqlite, 0, "773", Contention),
        (Sqlite, 0, "262", Contention),
        (Sqlite, 0, "518", Contention),
        (Sqlite, 0, "10", Exhausted),
        (Sqlite, 0, "14", Exhausted),
        (Sqlite, 0, "11", Corrupt),
        (Sqlite, 0, "1", PermissionOrSchema),
        (Sqlite, 0, "2067", Constraint),
        (Sqlite, 0, "13", Exhausted),
        (Sqlite, 0, "7", Exhausted),
        (Postgres, 0, "53100", Exhausted),
        (Postgres, 0, "58030", Exhausted),
        (Postgres, 0, "28P01", Exhausted),
        (MySql, 1021, "HY000", Exhausted),
        (MySql, 1114, "HY000", Exhausted),
        (MySql, 1180, "HY000", Exhausted),
        (MySql, 1045, "28000", Exhausted),
        (Sqlite, 0, "40P01", Other),
        (Sqlite, 0, "", Other),
    ];

    #[test]
    fn law_12_each_code_has_its_class() {
        for (backend, number, code, class) in CODES {
            let found = ErrorClass::of_code(backend, number, code);
            assert_eq!(found, class, "{backend:?} {number} {code}");
        }
    }

    #[test]
    fn a_code_counts_on_its_own_database_only() {
        // 42501 & 0xff is 5, SQLite's BUSY.
        assert_eq!(ErrorClass::of_code(Postgres, 0, "42501"), PermissionOrSchema);
        for backend in [Postgres, MySql] {
            for code in ["5", "6", "261", "517", "262"] {
                assert_eq!(ErrorClass::of_code(backend, 0, code), Other, "{backend:?} {code}");
            }
        }
        for state in ["55P03", "57P01", "57P02", "57P03", "25006"] {
            assert_eq!(ErrorClass::of_code(MySql, 0, state), Other, "{state}");
        }
        for number in [1205, 1213, 1020, 1047, 1290, 1836, 1142, 3024] {
            assert_eq!(ErrorClass::of_code(Postgres, number, ""), Other, "{number}");
            assert_eq!(ErrorClass::of_code(Sqlite, number, ""), Other, "{number}");
        }
    }
}
