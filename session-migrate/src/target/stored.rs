//! A source's row as it was stored, as bytes that can be sealed and read back.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::source::row::StoredColumn;
use crate::sql::Cell;

/// The form of these bytes.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    columns: Vec<Column>,
}

#[derive(Serialize, Deserialize)]
struct Column {
    column: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    join: Option<String>,
    #[serde(flatten)]
    value: StoredCell,
}

/// A cell with its storage class.
#[derive(Serialize, Deserialize)]
#[serde(tag = "class", content = "value", rename_all = "snake_case")]
enum StoredCell {
    Null,
    Integer(i64),
    /// By its bits, for its text would lose some.
    Real(u64),
    Text(String),
    /// As hexadecimal.
    Blob(String),
    MalformedText(String),
}

/// The row's columns with their storage classes.
pub(crate) fn to_bytes(row: &[StoredColumn]) -> Option<Zeroizing<Vec<u8>>> {
    let column = |stored: &StoredColumn| Column {
        column: stored.column.clone(),
        join: stored.join.clone(),
        value: value(&stored.cell),
    };
    let stored = Stored { version: VERSION, columns: row.iter().map(column).collect() };
    serde_json::to_vec(&stored).ok().map(Zeroizing::new)
}

fn value(cell: &Cell) -> StoredCell {
    match cell {
        Cell::Null => StoredCell::Null,
        Cell::Integer(number) => StoredCell::Integer(*number),
        Cell::Real(number) => StoredCell::Real(number.to_bits()),
        Cell::Text(text) => StoredCell::Text(text.clone()),
        Cell::Bytes(bytes) => StoredCell::Blob(hex(bytes)),
        Cell::MalformedText(bytes) => StoredCell::MalformedText(hex(bytes)),
    }
}

/// Bytes as hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
