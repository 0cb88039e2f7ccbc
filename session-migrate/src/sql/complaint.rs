//! What a database says of a statement that failed, without the values that it repeats.

use sea_orm_migration::sea_orm::DbErr;

/// What a database said. It names no value: of a key that is there twice, or a text that is no
/// number, databases repeat the value, and here that can be a token or a cookie.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Complaint {
    text: String,
    is_contended: bool,
}

impl Complaint {
    /// Whether somebody else was in the statement's way: the same may succeed later.
    pub(crate) const fn is_contended(&self) -> bool {
        self.is_contended
    }
}

impl From<DbErr> for Complaint {
    fn from(error: DbErr) -> Self {
        Self { is_contended: is_contended(&error), text: text(&error) }
    }
}

impl From<&str> for Complaint {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), is_contended: false }
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
fn of_database(
    error: &DbErr,
) -> Option<&dyn sea_orm_migration::sea_orm::sqlx::error::DatabaseError> {
    use sea_orm_migration::sea_orm::RuntimeErr;
    use sea_orm_migration::sea_orm::sqlx::Error;

    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    match error.as_ref() {
        Error::Database(error) => Some(error.as_ref()),
        _ => None,
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) fn is_contended(error: &DbErr) -> bool {
    let Some(error) = of_database(error) else { return false };
    match error.code().as_deref() {
        // PostgreSQL: a lock's timeout; the statement's, which is ours; serialization; a deadlock.
        Some("55P03" | "57014" | "40001" | "40P01") => true,
        // SQLite: busy and locked, in the low byte of the extended code.
        Some(code) if matches!(code.parse::<u32>().map(|code| code & 0xff), Ok(5 | 6)) => true,
        // MySQL: a lock wait's timeout, a deadlock.
        _ => matches!(number(error), 1205 | 1213),
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
fn text(error: &DbErr) -> String {
    let Some(database) = of_database(error) else { return error.to_string() };
    let code = database.code().unwrap_or_default();
    let number = number(database);
    let shown = if number == 0 { code.to_string() } else { number.to_string() };
    // Classes of SQLSTATE: data exceptions, violated constraints. PostgreSQL keeps the values of a
    // violation in the detail, which is not shown; SQLite names columns only.
    let repeats_values =
        code.starts_with("22") || (number != 0 && (code.starts_with("23") || number == 1366));
    match repeats_values {
        true => format!("database error {shown}"),
        false => format!("database error {shown}: {}", database.message()),
    }
}

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
pub(super) const fn is_contended(_: &DbErr) -> bool {
    false
}

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
fn text(error: &DbErr) -> String {
    error.to_string()
}

#[cfg(feature = "mysql")]
fn number(error: &dyn sea_orm_migration::sea_orm::sqlx::error::DatabaseError) -> u16 {
    let error = error.try_downcast_ref::<sea_orm_migration::sea_orm::SqlxMySqlError>();
    error.map_or(0, |error| error.number())
}

#[cfg(all(not(feature = "mysql"), any(feature = "sqlite", feature = "postgres")))]
const fn number(_: &dyn sea_orm_migration::sea_orm::sqlx::error::DatabaseError) -> u16 {
    0
}
