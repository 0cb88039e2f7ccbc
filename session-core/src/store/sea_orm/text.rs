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
    let hexadecimal = hexadecimal(&octets.0);
    match backend {
        DbBackend::Postgres => format!("'\\x{hexadecimal}'::bytea"),
        _ => format!("x'{hexadecimal}'"),
    }
}

pub(super) fn text(backend: DbBackend, text: &str) -> String {
    let hexadecimal = hexadecimal(text.as_bytes());
    match backend {
        DbBackend::Postgres => format!("convert_from('\\x{hexadecimal}'::bytea, 'UTF8')"),
        DbBackend::Sqlite => format!("CAST(x'{hexadecimal}' AS TEXT)"),
        _ => format!("_utf8mb4 x'{hexadecimal}'"),
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    for byte in octets {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The clause that locks the selected rows; SQLite has one writer, and no such clause.
pub(super) const fn for_update(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "",
        _ => " FOR UPDATE",
    }
}
