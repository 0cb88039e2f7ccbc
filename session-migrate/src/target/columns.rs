//! Whether the target's tables hold what will be written, whole.

use sea_orm_migration::sea_orm::DatabaseConnection;

use crate::error::{MigrateError, MigrateErrorKind};
use crate::sql::{Schema, Table};

/// Columns of text, and how many bytes or characters each must take.
const TEXTS: [(&str, u64); 8] = [
    ("user_id", 255),
    ("provider", 255),
    ("issuer", 255),
    ("subject", 255),
    ("sid", 255),
    ("account", 255),
    ("origin", 16),
    ("seal_key", 64),
];

/// Columns of bytes that must take large ones: MySQL cuts a BLOB at 64 KiB.
const LARGE: [&str; 2] = ["sealed_tokens", "sealed_refresh_token"];

/// Columns that must be there.
const REQUIRED: [&str; 9] = [
    "id",
    "digest",
    "partition_key",
    "admission",
    "created_at",
    "last_seen_at",
    "timeouts_from",
    "revision",
    "ended_at",
];

/// Holds the target's `login_session` against what is written to it.
///
/// # Errors
///
/// Of the kind `Target`, with the column that is missing, or would cut what is written.
pub(crate) async fn check_columns(connection: &DatabaseConnection) -> Result<(), MigrateError> {
    let schema = Schema::read(connection).await?;
    match schema.table(None, "login_session") {
        Some(table) => check(table).map_err(|detail| {
            MigrateError::because(MigrateErrorKind::Target, format!("login_session: {detail}"))
        }),
        None => Ok(()),
    }
}

fn check(table: &Table) -> Result<(), String> {
    let column = |name: &str| table.column(name).ok_or_else(|| format!("it has no column {name}"));
    for name in REQUIRED {
        column(name)?;
    }
    for (name, needed) in TEXTS {
        let declared = &column(name)?.declared;
        if length(declared).is_some_and(|length| length < needed) {
            return Err(format!("{name} is {declared}, and would cut what is written"));
        }
    }
    for name in LARGE {
        let declared = column(name)?.declared.to_ascii_lowercase();
        if matches!(declared.as_str(), "blob" | "tinyblob") && table.schema.is_some() {
            return Err(format!("{name} is {declared}, and would cut what is written"));
        }
    }
    Ok(())
}

/// The number in a declared type, such as `varchar(64)`.
fn length(declared: &str) -> Option<u64> {
    let (_, rest) = declared.split_once('(')?;
    rest.split([')', ',']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn a_declared_length_is_read() {
        assert_eq!(length("character varying(64)"), Some(64));
        assert_eq!(length("VARCHAR(255)"), Some(255));
        assert_eq!(length("TEXT"), None);
    }
}
