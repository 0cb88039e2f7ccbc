//! The rows of a source, batch by batch, in the order of its key.

mod decode;
mod lookup;
mod over_cap;
mod page;
mod partition;

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};

pub(crate) use decode::{json, moment, walk, within};
pub use over_cap::OverCapPartitions;
pub use page::{Cursor, InvalidCursor};
pub use partition::PartitionCursor;
pub(crate) use partition::exact;

use crate::source::bind::Bound;
use crate::source::codec::Codecs;
use crate::source::mapping::Mapping;
use crate::source::row::{SourceKey, SourceRow};
use crate::source::row_location::row_location;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Cell;
use crate::sql::Dialect;
use crate::sql::Query;
use crate::sql::Schema;

/// Rows as they are stored, and the cursor behind them.
#[derive(Debug)]
pub(crate) struct RawBatch {
    pub(crate) rows: Vec<RawRow>,
    /// `None` at the end.
    pub(crate) next: Option<Cursor>,
}

/// A row as it is stored.
#[derive(Debug)]
pub(crate) struct RawRow(page::Page);

/// A mapped table that rows are read from.
///
/// The order is total: by the key's unique index where there is one, else by the key's values, or
/// without a key by all mapped values, compared byte for byte with `NULL` as a value. Rows without
/// a key that are equal in all mapped columns are one: they hold one token set.
#[derive(Debug)]
pub struct SourceTable {
    bound: Bound,
}

impl SourceTable {
    /// Holds a mapping against the schema. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the mapping names what the schema has not, if a unit does not fit its
    /// column, if a codec or its keys are unknown, if the key does not tell the rows apart, or if
    /// a statement fails.
    pub async fn open(
        connection: &DatabaseConnection,
        schema: &Schema,
        mapping: &Mapping,
        codecs: &Codecs,
    ) -> Result<Self, SourceError> {
        let dialect = Dialect::of(connection.get_database_backend());
        let bound = Bound::new(mapping, schema, dialect, codecs)?;
        require_utc(connection, dialect).await?;
        let table = Self { bound };
        table.require_unique_key(connection).await?;
        Ok(table)
    }

    /// Reads rows in the order in which they lie in a SQLite file. By their key, which mostly is
    /// none that orders them so, each would be looked for. For files to which nobody else writes: a
    /// `VACUUM` between two batches may number the rows anew.
    pub(crate) async fn in_storage_order(
        mut self,
        connection: &DatabaseConnection,
        schema: &Schema,
    ) -> Self {
        let (bound, mapping) = (&self.bound, &self.bound.mapping);
        let table = schema.table(mapping.schema.as_deref(), &mapping.table);
        if let Some(table) = table.filter(|table| {
            bound.dialect == Dialect::Sqlite && bound.is_key_indexed && !table.is_view
        }) {
            self.bound.row_location = row_location(connection, bound.dialect, table).await;
        }
        self
    }

    /// The mapping.
    #[must_use]
    pub const fn mapping(&self) -> &Mapping {
        &self.bound.mapping
    }

    /// At most `limit` rows after a cursor, or from the beginning; and the cursor after the last
    /// of them, or `None` at the end.
    ///
    /// A cursor outlives the process: what is inserted before it later is not seen.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the statement fails. A row that cannot be opened is none.
    pub async fn batch(
        &self,
        connection: &DatabaseConnection,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<(Vec<SourceRow>, Option<Cursor>), SourceError> {
        let RawBatch { rows, next } = self.raw_batch(connection, after, limit).await?;
        Ok((rows.into_iter().map(|row| self.decode(row)).collect(), next))
    }

    /// The same rows as they are stored: opening them is work for other threads.
    pub(crate) async fn raw_batch(
        &self,
        connection: &DatabaseConnection,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<RawBatch, SourceError> {
        let rows = page::query(&self.bound, after, limit)?.rows(connection).await?;
        let is_last = u32::try_from(rows.len()).is_ok_and(|count| count < limit);
        let pages = rows.iter().map(|row| page::read(&self.bound, row));
        let pages: Vec<page::Page> = pages.collect::<Result<_, _>>()?;
        let next = pages.last().map(|page| page.cursor.clone()).filter(|_| !is_last);
        Ok(RawBatch { rows: pages.into_iter().map(RawRow).collect(), next })
    }

    /// The key of a row that was read.
    pub(crate) fn key(&self, row: &RawRow) -> SourceKey {
        decode::key(&self.bound, &row.0.cells)
    }

    /// The row that was read, opened as far as it can be.
    pub(crate) fn decode(&self, row: RawRow) -> SourceRow {
        decode::row(&self.bound, row.0.cells, row.0.is_orphan)
    }

    /// The rows with these keys as they are now, in any order, each once; compared byte for byte
    /// and class for class. A key whose row is gone, or does not pass the filter, gives none.
    ///
    /// Of a mapping without a key there are none: a row is known by its content.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails.
    pub async fn rows_by_keys(
        &self,
        connection: &impl ConnectionTrait,
        keys: &[Vec<Cell>],
    ) -> Result<Vec<SourceRow>, SourceError> {
        if self.bound.key.is_empty() {
            return Ok(Vec::new());
        }
        lookup::by_keys(&self.bound, connection, keys).await
    }

    /// The rows in which this column, of the mapped table or of a join, refers to one of the
    /// values: at least those, in any order, each once. `NULL` refers to nothing.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the mapping reads no such column, or if a statement fails.
    pub async fn rows_related(
        &self,
        connection: &impl ConnectionTrait,
        column: &str,
        join: Option<&str>,
        values: &[Cell],
    ) -> Result<Vec<SourceRow>, SourceError> {
        let at = self.bound.slots.position(column, join)?;
        lookup::related(&self.bound, connection, at, values).await
    }

    /// All rows of these users and providers as they are now, in any order, each once; compared
    /// byte for byte whatever the collation. A provider of `None` is that of rows without one.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails.
    pub async fn rows_of_partitions(
        &self,
        connection: &impl ConnectionTrait,
        partitions: &[(String, Option<String>)],
    ) -> Result<Vec<SourceRow>, SourceError> {
        lookup::of_partitions(&self.bound, connection, partitions).await
    }

    /// The rows of pairs of user and provider that have more than `more_than` rows under the
    /// mapping's filter, and the place after the last of these pairs, or `None` at the end.
    ///
    /// Pairs are compared byte for byte. They come whole and in their order, each with its rows
    /// in the order of the key; a page has as many pairs as `limit_rows` rows make, and one at
    /// least, however large it is. Rows without a user or a provider are of no pair.
    ///
    /// Each page reads the table twice where no index begins with the user: take large ones.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails. A row that cannot be opened is none.
    pub async fn over_cap_rows(
        &self,
        connection: &DatabaseConnection,
        more_than: u32,
        after: Option<&PartitionCursor>,
        limit_rows: u32,
    ) -> Result<(Vec<SourceRow>, Option<PartitionCursor>), SourceError> {
        over_cap::rows(&self.bound, connection, more_than, after, limit_rows).await
    }

    /// Which pairs have more than `more_than` rows under the mapping's filter: sixteen bytes for
    /// each.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the statement fails.
    pub async fn over_cap_partitions(
        &self,
        connection: &DatabaseConnection,
        more_than: u32,
    ) -> Result<OverCapPartitions, SourceError> {
        over_cap::partitions(&self.bound, connection, more_than).await
    }

    pub(crate) const fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Rows that share a key would get one id, so one of them would be lost.
    async fn require_unique_key(&self, connection: &DatabaseConnection) -> Result<(), SourceError> {
        let bound = &self.bound;
        if bound.key.is_empty() || bound.is_key_indexed {
            return Ok(());
        }
        let mut query = Query::new(bound.dialect, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM ");
        query.push(&bound.from);
        bound.push_filter(&mut query);
        query.push(" GROUP BY ");
        query.push(&page::normals(bound)?.join(", "));
        query.push(" HAVING COUNT(*) > 1) AS shared");
        match query.number(connection).await? {
            0 => Ok(()),
            shared => Err(SourceError::because(
                SourceErrorKind::KeyNotUnique,
                format!(
                    "{shared} values of {} have several rows each; map another key, or none",
                    bound.mapping.key.join(", ")
                ),
            )),
        }
    }
}

/// MySQL gives a `timestamp` in the session's zone, and without saying so.
async fn require_utc(connection: &DatabaseConnection, dialect: Dialect) -> Result<(), SourceError> {
    if dialect != Dialect::Mysql {
        return Ok(());
    }
    let sql = "SELECT CAST(TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW()) <> 0 AS SIGNED)";
    match Query::new(dialect, sql).number(connection).await? {
        0 => Ok(()),
        _ => Err(SourceError::new(SourceErrorKind::TimeZone)),
    }
}
