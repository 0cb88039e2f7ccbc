//! What the database itself counts.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::DatabaseConnection;

use crate::source::SourceError;
use crate::source::bind::{Bound, ProviderSlot};
use crate::sql::{CellReader, Query};

/// All rows, whether or not the filter lets them pass.
pub(super) async fn in_table(
    bound: &Bound,
    connection: &DatabaseConnection,
) -> Result<u64, SourceError> {
    let mut query = Query::new(bound.dialect, "SELECT COUNT(*) FROM ");
    query.push(&bound.from);
    Ok(query.number(connection).await?)
}

/// The rows that the filter lets pass.
pub(super) async fn passed(
    bound: &Bound,
    connection: &DatabaseConnection,
) -> Result<u64, SourceError> {
    let mut query = Query::new(bound.dialect, "SELECT COUNT(*) FROM ");
    query.push(&bound.from);
    bound.push_filter(&mut query);
    Ok(query.number(connection).await?)
}

/// How many pairs of user and provider have how many rows, compared byte for byte.
pub(super) async fn rows_per_pair(
    bound: &Bound,
    connection: &DatabaseConnection,
) -> Result<BTreeMap<u64, u64>, SourceError> {
    let mut query = Query::new(
        bound.dialect,
        "SELECT pairs.number_of_rows, COUNT(*) FROM (SELECT COUNT(*) AS number_of_rows FROM ",
    );
    query.push(&bound.from);
    bound.push_filter(&mut query);
    query.push(" GROUP BY ").push(&binary(bound, bound.user)?);
    if let ProviderSlot::Column(at) = bound.provider {
        query.push(", ").push(&binary(bound, at)?);
    }
    query.push(") AS pairs GROUP BY pairs.number_of_rows");
    let mut histogram = BTreeMap::new();
    for row in query.rows(connection).await? {
        let mut reader = CellReader::new(bound.dialect, &row);
        histogram.insert(reader.count()?, reader.count()?);
    }
    Ok(histogram)
}

fn binary(bound: &Bound, at: usize) -> Result<String, SourceError> {
    let slot = bound.slot(at)?;
    Ok(bound.dialect.binary(&slot.sql, slot.column.kind))
}
