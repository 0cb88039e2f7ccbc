//! What a database holds: which presets its schema is of and why, and what is in their tables.

mod count;
mod report;

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::DatabaseConnection;

pub use report::{Inspection, MissReport, ProviderReport, RecognisedReport, SourceReport, Tally};

use crate::source::codec::Codecs;
use crate::source::mapping::Mapping;
use crate::source::preset::Recognition;
use crate::source::read::SourceTable;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Schema;

/// How many rows are held at once.
const BATCH: u32 = 1000;

/// Looks at a database: recognises presets, and reads the tables of the likeliest ones from end to
/// end. Writes nothing, and gives no token away.
///
/// With [`Codecs`] that have the source's key, it tells how many rows that key opens.
///
/// # Errors
///
/// [`SourceError`] if a statement fails. A table that cannot be read, because the key does not
/// fit its codec, say, is reported with its problem instead.
pub async fn inspect(
    connection: &DatabaseConnection,
    codecs: &Codecs,
) -> Result<Inspection, SourceError> {
    let schema = Schema::read(connection).await?;
    let codecs = codecs.clone().with_keys_of(connection, &schema).await?;
    let recognition = Recognition::of(&schema);
    let mut inspection = Inspection::new(&schema, &recognition);
    let mut read = BTreeSet::new();
    for (fit, report) in recognition.fits.iter().zip(&mut inspection.recognised) {
        // Of two presets that fit one table, the likelier one reads it.
        if !read.insert(&fit.table) {
            continue;
        }
        for mapping in &fit.mappings.mapping {
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
    /// How many rows pass the filter.
    pub(crate) async fn count(&self, connection: &DatabaseConnection) -> Result<u64, SourceError> {
        count::passed(self.bound(), connection).await
    }

    /// What the database itself counts, for rows to be added to.
    pub(crate) async fn report(
        &self,
        connection: &DatabaseConnection,
    ) -> Result<SourceReport, SourceError> {
        let bound = self.bound();
        let mut report = SourceReport::new(self.mapping(), bound.is_key_indexed);
        report.rows_in_table = count::in_table(bound, connection).await?;
        report.rows_per_pair = count::rows_per_pair(bound, connection).await?;
        report.orphans_known = bound.orphan.is_some();
        Ok(report)
    }
}

/// Reads one mapped table from end to end and counts what is in it.
///
/// # Errors
///
/// [`SourceError`] if the mapping does not fit the schema, or a statement fails.
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
