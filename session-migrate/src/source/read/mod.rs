//! The rows of a source, batch by batch, in the order of its key.

mod cursor;
mod decode;
mod identity;
mod page;

use sea_orm_migration::sea_orm::DatabaseConnection;

pub use cursor::{Cursor, InvalidCursor};

use crate::source::bind::Bound;
use crate::source::codec::Codecs;
use crate::source::dialect::Dialect;
use crate::source::error::{SourceError, SourceErrorKind};
use crate::source::mapping::Mapping;
use crate::source::query::Query;
use crate::source::row::SourceRow;
use crate::source::schema::Schema;

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
        let rows = page::query(&self.bound, after, limit)?.rows(connection).await?;
        let is_last = u32::try_from(rows.len()).is_ok_and(|count| count < limit);
        let mut batch = Vec::with_capacity(rows.len());
        let mut cursor = None;
        for row in &rows {
            let page = page::read(&self.bound, row)?;
            batch.push(decode::row(&self.bound, page.cells, page.is_orphan));
            cursor = Some(page.cursor);
        }
        Ok((batch, cursor.filter(|_| !is_last)))
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
