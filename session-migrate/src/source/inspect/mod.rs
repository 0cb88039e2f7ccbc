//! Inspecting a database: which presets match its schema and why, and what their tables hold.

mod report;

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::DatabaseConnection;

pub use report::{
    Inspection, MismatchReport, ProviderReport, RecognisedReport, SourceReport, Tally,
};

use std::collections::BTreeMap;

use crate::source::bind::{Bound, ProviderSlot};
use crate::source::codec::Codecs;
use crate::source::mapping::Mapping;
use crate::source::preset::Recognition;
use crate::source::read::SourceTable;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Schema;
use crate::sql::{CellReader, Query};

/// How many rows are read at once.
const BATCH: u32 = 1000;

/// Inspects a database: recognises presets, and reads the tables of the most likely ones
/// completely. It writes nothing, and reports no token.
///
/// With [`Codecs`] that have the source's key, it counts the rows that the key decrypts.
///
/// # Errors
///
/// [`SourceError`] if a statement fails. A table that cannot be read, for example because the key
/// is invalid for its codec, is reported with its problem instead.
pub async fn inspect(
    connection: &DatabaseConnection,
    codecs: &Codecs,
) -> Result<Inspection, SourceError> {
    let schema = Schema::read(connection).await?;
    let codecs = codecs.clone().with_keys_of(connection, &schema).await?;
    let recognition = Recognition::of(&schema);
    let mut inspection = Inspection::new(&schema, &recognition);
    let mut read = BTreeSet::new();
    for (found, report) in recognition.matches.iter().zip(&mut inspection.recognised) {
        // Of two presets that match one table, the more likely one reads it.
        if !read.insert(&found.table) {
            continue;
        }
        for mapping in &found.mappings.mapping {
            match inspect_mapping(connection, &schema, mapping, &codecs).await {
                Ok(source) => report.sources.push(source),
                Err(error) if error.kind() == SourceErrorKind::Statement => return Err(error),
                Err(error) => report.problems.push(error.to_string()),
            }
        }
    }
    Ok(inspection)
}

impl SourceTable {
    /// Returns how many rows pass the filter.
    pub(crate) async fn count(&self, connection: &DatabaseConnection) -> Result<u64, SourceError> {
        passed_rows(self.bound(), connection).await
    }

    /// Creates a report with the database's own counts, to which rows are added.
    pub(crate) async fn report(
        &self,
        connection: &DatabaseConnection,
    ) -> Result<SourceReport, SourceError> {
        let bound = self.bound();
        let mut report = SourceReport::new(self.mapping(), bound.is_key_indexed);
        report.rows_in_table = all_rows(bound, connection).await?;
        report.rows_per_pair = rows_per_partition(bound, connection).await?;
        report.orphans_known = bound.orphan.is_some();
        Ok(report)
    }
}

/// Reads one mapped table completely, and counts what it holds.
///
/// # Errors
///
/// [`SourceError`] if the mapping does not match the schema, or a statement fails.
pub async fn inspect_mapping(
    connection: &DatabaseConnection,
    schema: &Schema,
    mapping: &Mapping,
    codecs: &Codecs,
) -> Result<SourceReport, SourceError> {
    let table = SourceTable::open(connection, schema, mapping, codecs).await?;
    let mut report = table.report(connection).await?;
    let mut after = None;
    loop {
        let (rows, next) = table.batch(connection, after.as_ref(), BATCH).await?;
        rows.iter().for_each(|row| report.add(row));
        after = next;
        if after.is_none() {
            break;
        }
    }
    report.finish();
    Ok(report)
}

/// Counts all rows, regardless of the filter.
async fn all_rows(bound: &Bound, connection: &DatabaseConnection) -> Result<u64, SourceError> {
    let mut query = Query::new(bound.dialect, "SELECT COUNT(*) FROM ");
    query.push(&bound.from);
    Ok(query.number(connection).await?)
}

/// Counts the rows that pass the filter.
async fn passed_rows(bound: &Bound, connection: &DatabaseConnection) -> Result<u64, SourceError> {
    let mut query = Query::new(bound.dialect, "SELECT COUNT(*) FROM ");
    query.push(&bound.from);
    bound.push_filter(&mut query);
    Ok(query.number(connection).await?)
}

/// Counts how many partitions (user and provider, byte for byte) have how many rows.
async fn rows_per_partition(
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
