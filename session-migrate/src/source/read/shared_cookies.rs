//! Rows that share the value of a cookie.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::DatabaseConnection;
use sha2::{Digest as _, Sha256};

use super::text::exact;
use super::{decode, page};
use crate::source::SourceError;
use crate::source::bind::Bound;

/// Counts the rows whose cookie another row has as well. Only rows whose column repeats a value are
/// read: most sources have none, and where the column is unique nothing is read at all.
pub(super) async fn count(
    bound: &Bound,
    connection: &DatabaseConnection,
) -> Result<u64, SourceError> {
    let Some(cookie) = &bound.cookie else { return Ok(0) };
    let slot = bound.slot(cookie.at)?;
    if bound.slots.base().is_unique(std::slice::from_ref(&slot.column.name)) {
        return Ok(0);
    }
    let value = exact(bound.dialect, slot);
    let mut query = page::select(bound, "");
    query.push(" FROM ").push(&bound.from);
    bound.push_filter(&mut query);
    query.push(&format!(" AND {value} IN (SELECT {value} FROM {}", bound.from));
    bound.push_filter(&mut query);
    query.push(&format!(" GROUP BY {value} HAVING COUNT(*) > 1)"));
    let mut rows_of: BTreeMap<[u8; 32], u64> = BTreeMap::new();
    for row in query.rows(connection).await? {
        let (cells, is_orphan, _) = page::cells(bound, &row)?;
        if let Some(cookie) = decode::row(bound, cells, is_orphan).cookie {
            *rows_of.entry(Sha256::digest(cookie.as_bytes()).into()).or_default() += 1;
        }
    }
    Ok(rows_of.values().filter(|rows| **rows > 1).sum())
}
