//! Partitions as SQL: users and providers, byte for byte, in an order that every database shares.

use std::fmt;
use std::str::FromStr;

use sea_orm_migration::sea_orm::{QueryResult, Value};
use serde::{Deserialize, Serialize};

use super::page::InvalidCursor;
use crate::source::SourceError;
use crate::source::bind::{Bound, ProviderSlot, Slot};
use crate::sql::{Cell, CellReader, ColumnKind, Dialect, Query};

/// The position after a partition, of user and provider.
///
/// Its text can be stored, and parsed by another process.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartitionCursor {
    pub(super) user: Vec<u8>,
    /// Empty where the mapping has a constant provider.
    pub(super) provider: Vec<u8>,
}

impl FromStr for PartitionCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        serde_json::from_str(text).map_err(|_| InvalidCursor)
    }
}

impl fmt::Display for PartitionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for PartitionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        write!(f, "PartitionCursor({:?}, {:?})", text(&self.user), text(&self.provider))
    }
}

/// The columns of a partition, as expressions.
#[derive(Debug)]
pub(super) struct PartitionSql<'a> {
    dialect: Dialect,
    user: &'a Slot,
    provider: Option<&'a Slot>,
}

impl<'a> PartitionSql<'a> {
    pub(super) fn new(bound: &'a Bound) -> Result<Self, SourceError> {
        let provider = match bound.provider {
            ProviderSlot::Column(at) => Some(bound.slot(at)?),
            ProviderSlot::Constant(_) => None,
        };
        Ok(Self { dialect: bound.dialect, user: bound.slot(bound.user)?, provider })
    }

    fn slots(&self) -> impl Iterator<Item = &'a Slot> + use<'a> {
        std::iter::once(self.user).chain(self.provider)
    }

    /// Returns the expressions, which are equal only where the texts are.
    pub(super) fn expressions(&self) -> String {
        let expressions: Vec<String> = self.slots().map(|slot| exact(self.dialect, slot)).collect();
        expressions.join(", ")
    }

    /// Returns their ordinals, if they are selected first.
    pub(super) const fn ordinals(&self) -> &'static str {
        if self.provider.is_some() { "1, 2" } else { "1" }
    }

    /// Appends the condition that a row belongs to a partition at all.
    pub(super) fn push_has_partition(&self, query: &mut Query) {
        for slot in self.slots() {
            query.push(&format!(" AND {} IS NOT NULL", slot.sql));
        }
    }

    pub(super) fn push_after(&self, query: &mut Query, after: &PartitionCursor) {
        let mut values = self.parameter(query, &after.user);
        if self.provider.is_some() {
            values = format!("{values}, {}", self.parameter(query, &after.provider));
        }
        query.push(&format!(" AND ({}) > ({values})", self.expressions()));
    }

    fn parameter(&self, query: &mut Query, bytes: &[u8]) -> String {
        match self.dialect {
            Dialect::Postgres => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                query.bind(Value::String(Some(text)))
            }
            _ => query.bind(Value::Bytes(Some(bytes.to_vec()))),
        }
    }

    /// Appends the condition that a row is of one of these users, so that an index on the column is
    /// used where possible. The column's own comparison may let other users pass; the caller drops
    /// them.
    pub(super) fn push_user_in(&self, query: &mut Query, users: &[&[u8]]) {
        let plain = users.iter().map(|user| native(self.dialect, self.user, user));
        let plain: Option<Vec<Vec<Value>>> = plain.collect();
        let (sql, values): (String, Vec<String>) = match plain {
            Some(values) => {
                let column = &self.user.column;
                let typed = |value| self.dialect.typed(&query.bind(value), column);
                (self.user.sql.clone(), values.into_iter().flatten().map(typed).collect())
            }
            None => {
                let values = users.iter().map(|user| self.parameter(query, user)).collect();
                (exact(self.dialect, self.user), values)
            }
        };
        query.push(&format!(" AND {sql} IN ({})", values.join(", ")));
    }

    /// Reads what [`expressions`](Self::expressions) selected.
    pub(super) fn read(&self, reader: &mut CellReader<'_>) -> Result<PartitionCursor, SourceError> {
        let mut part = || -> Result<Vec<u8>, SourceError> {
            let kind = match self.dialect {
                Dialect::Postgres => ColumnKind::Text,
                _ => ColumnKind::Bytes,
            };
            Ok(bytes(&reader.expression(kind)?))
        };
        let user = part()?;
        let provider = if self.provider.is_some() { part()? } else { Vec::new() };
        Ok(PartitionCursor { user, provider })
    }

    /// Reads a partition that is selected first, with the number of its rows.
    pub(super) fn counted(&self, row: &QueryResult) -> Result<(PartitionCursor, u64), SourceError> {
        let mut reader = CellReader::new(self.dialect, row);
        Ok((self.read(&mut reader)?, reader.count()?))
    }
}

fn bytes(cell: &Cell) -> Vec<u8> {
    cell.as_bytes().map(<[u8]>::to_vec).unwrap_or_default()
}

/// Returns an expression for the column's text, compared byte for byte.
pub(crate) fn exact(dialect: Dialect, slot: &Slot) -> String {
    let (sql, kind) = (&slot.sql, slot.column.kind);
    match (dialect, kind) {
        // Whatever the value's class: 7 and '7' are one user.
        (Dialect::Sqlite, _) => format!("CAST({sql} AS BLOB)"),
        // Bytes that are not UTF-8 are escaped; they are not a user's id.
        (Dialect::Postgres, ColumnKind::Bytes) => {
            format!("encode({sql}, 'escape') COLLATE \"C\"")
        }
        (Dialect::Postgres, _) => format!("({})::text COLLATE \"C\"", dialect.fetch(sql, kind)),
        (Dialect::Mysql, ColumnKind::Bytes) => sql.clone(),
        (Dialect::Mysql, _) => format!("CAST({} AS BINARY)", dialect.fetch(sql, kind)),
    }
}

/// Returns the user as values of the column's own type, where these find every row of the user.
fn native(dialect: Dialect, slot: &Slot, user: &[u8]) -> Option<Vec<Value>> {
    let text = || std::str::from_utf8(user).ok();
    let bytes = || Value::Bytes(Some(user.to_vec()));
    let string = || text().map(|text| Value::String(Some(text.to_owned())));
    match (dialect, slot.column.kind) {
        // A column of SQLite holds values of any class. One of these types turns a text that is
        // compared with it into the class that such a text is stored in; bytes stay bytes.
        (Dialect::Sqlite, ColumnKind::Integer | ColumnKind::Text) => Some(vec![string()?, bytes()]),
        (Dialect::Sqlite, _) => None,
        (Dialect::Mysql, ColumnKind::Bytes) => Some(vec![bytes()]),
        (_, ColumnKind::Integer) => Some(vec![Value::BigInt(Some(text()?.parse().ok()?))]),
        (_, ColumnKind::Text | ColumnKind::Uuid) => Some(vec![string()?]),
        _ => None,
    }
}
