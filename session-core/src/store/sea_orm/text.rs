//! Literals of statements without parameters, several of which are one message. Every value is
//! hexadecimal or a number, so that none can end its literal.

use std::fmt::Write as _;

use sea_orm::DbBackend;
use sea_orm::prelude::Uuid;

use super::entity::Octets;

pub(super) fn uuid(backend: DbBackend, uuid: Uuid) -> String {
    match backend {
        DbBackend::Postgres => format!("'{uuid}'::uuid"),
        _ => format!("x'{}'", uuid.simple()),
    }
}

pub(super) fn octets(backend: DbBackend, octets: &Octets) -> String {
    let mut hexadecimal = String::with_capacity(octets.0.len() * 2);
    for byte in &octets.0 {
        // Writing to a string cannot fail.
        let _ = write!(hexadecimal, "{byte:02x}");
    }
    match backend {
        DbBackend::Postgres => format!("'\\x{hexadecimal}'::bytea"),
        _ => format!("x'{hexadecimal}'"),
    }
}

/// The clause that locks the selected rows; SQLite has one writer, and no such clause.
pub(super) const fn for_update(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "",
        _ => " FOR UPDATE",
    }
}
