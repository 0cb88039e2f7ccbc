//! Reading the rows of a source, batch by batch, in the order of its key.

mod by_user;
mod decode;
mod lookup;
mod page;
mod shared_cookies;
mod text;

use std::collections::HashMap;

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};

pub(crate) use by_user::UserOrder;
use by_user::UserPage;
pub use by_user::{ListOn, UserCursor};
pub(crate) use decode::{json, moment, walk, within};
pub use page::{Cursor, InvalidCursor};
pub(crate) use text::exact;

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
use crate::sql::other_encoding;

/// A row as it is stored.
#[derive(Debug)]
pub(crate) struct RawRow(page::Page);

/// A mapped table from which rows are read.
///
/// The order is total: by the key's unique index where there is one, otherwise by the key's values,
/// or without a key by all mapped values, compared byte for byte with `NULL` as a value. Rows
/// without a key that are equal in all mapped columns count as one, because they hold one token
/// set.
#[derive(Debug)]
pub struct SourceTable {
    bound: Bound,
}

impl SourceTable {
    /// Resolves a mapping against a schema, and writes nothing.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the mapping names a table or column that the schema lacks, if a unit does
    /// not match its column, if a codec is unknown or its keys are invalid, if the key is not
    /// unique, or if a statement fails.
    pub async fn open(
        connection: &DatabaseConnection,
        schema: &Schema,
        mapping: &Mapping,
        codecs: &Codecs,
    ) -> Result<Self, SourceError> {
        let dialect = Dialect::of(connection.get_database_backend());
        let bound = Bound::new(mapping, schema, dialect, codecs)?;
        require_utc(connection, dialect).await?;
        require_utf8(connection, dialect).await?;
        let table = Self { bound };
        table.require_unique_key(connection).await?;
        Ok(table)
    }

    /// Reads rows in their order in the SQLite file, which is faster than the order of a key. This
    /// needs a file without other writers: a `VACUUM` between two batches may renumber the rows.
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

    /// Returns the mapping.
    #[must_use]
    pub const fn mapping(&self) -> &Mapping {
        &self.bound.mapping
    }

    /// Reads at most `limit` rows after a cursor, or from the beginning; returns them with the
    /// cursor after the last one, or `None` at the end.
    ///
    /// A cursor outlives the process. Rows that are inserted before it later are not seen.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the statement fails. A row whose tokens cannot be decrypted is not an
    /// error.
    pub async fn batch(
        &self,
        connection: &DatabaseConnection,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<(Vec<SourceRow>, Option<Cursor>), SourceError> {
        let (rows, next) = self.raw_batch(connection, after, limit).await?;
        Ok((rows.into_iter().map(|row| self.decode(row)).collect(), next))
    }

    /// Reads the same rows as they are stored, to be decrypted on other threads.
    pub(crate) async fn raw_batch(
        &self,
        connection: &DatabaseConnection,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<(Vec<RawRow>, Option<Cursor>), SourceError> {
        let rows = page::query(&self.bound, "", after, limit)?.rows(connection).await?;
        let is_last = u32::try_from(rows.len()).is_ok_and(|count| count < limit);
        let pages = rows.iter().map(|row| page::read(&self.bound, row));
        let pages: Vec<page::Page> = pages.collect::<Result<_, _>>()?;
        let last = rows.last().filter(|_| !is_last);
        let next = last.map(|row| page::cursor(&self.bound, row)).transpose()?;
        Ok((pages.into_iter().map(RawRow).collect(), next))
    }

    /// Returns the key of a row that was read.
    pub(crate) fn key(&self, row: &RawRow) -> SourceKey {
        decode::key(&self.bound, &row.0.cells)
    }

    /// Decrypts a row that was read, as far as possible.
    pub(crate) fn decode(&self, row: RawRow) -> SourceRow {
        decode::row(&self.bound, row.0.cells, row.0.is_orphan)
    }

    /// Reads the rows with these keys in their current state, in any order, each once; keys are
    /// compared byte for byte and class for class. A key whose row is gone, or does not pass the
    /// filter, has no row in the result.
    ///
    /// A mapping without a key has no such rows: they are identified by their content.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails.
    #[doc(hidden)]
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

    /// Reads at least the rows in which this column, of the mapped table or of a join, refers to
    /// one of the values, in any order, each once. `NULL` refers to nothing.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the mapping does not read the column, or if a statement fails.
    #[doc(hidden)]
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

    /// Reads all rows of these users and providers in their current state, in any order, each once;
    /// compared byte for byte whatever the collation. A provider of `None` stands for rows without
    /// one.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails.
    #[doc(hidden)]
    pub async fn rows_of_partitions(
        &self,
        connection: &impl ConnectionTrait,
        partitions: &[(String, Option<String>)],
    ) -> Result<Vec<SourceRow>, SourceError> {
        lookup::of_partitions(&self.bound, connection, partitions).await
    }

    /// Reads all rows of at least one user, and of further users as long as there are fewer than
    /// `limit_rows`; rows without a user come first, in pages of their own. Returns them with the
    /// cursor after the last user, or `None` at the end.
    ///
    /// Which user comes first is the database's affair. All rows whose users are equal byte for byte
    /// come in one page, however many they are, in any order.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails. A row whose tokens cannot be decrypted is not an
    /// error.
    #[doc(hidden)]
    pub async fn rows_by_user(
        &self,
        connection: &DatabaseConnection,
        list_on: ListOn<'_>,
        after: Option<&UserCursor>,
        limit_rows: u32,
    ) -> Result<(Vec<SourceRow>, Option<UserCursor>), SourceError> {
        let order = self.user_order(connection, list_on).await?;
        let (rows, next) = self.raw_by_user(connection, &order, after, limit_rows).await?;
        Ok((rows.into_iter().map(|row| self.decode(row)).collect(), next))
    }

    /// Returns the order in which [`raw_by_user`](Self::raw_by_user) reads users.
    pub(crate) async fn user_order(
        &self,
        connection: &DatabaseConnection,
        list_on: ListOn<'_>,
    ) -> Result<UserOrder, SourceError> {
        by_user::order(&self.bound, connection, list_on).await
    }

    /// Reads the same rows as [`rows_by_user`](Self::rows_by_user) as they are stored, to be decrypted
    /// on other threads.
    pub(crate) async fn raw_by_user(
        &self,
        connection: &DatabaseConnection,
        order: &UserOrder,
        after: Option<&UserCursor>,
        limit_rows: u32,
    ) -> Result<(Vec<RawRow>, Option<UserCursor>), SourceError> {
        let page = UserPage { limit: limit_rows, more_than: None };
        let (pages, next) = by_user::pages(&self.bound, connection, order, after, page).await?;
        Ok((pages.into_iter().map(RawRow).collect(), next))
    }

    /// Reads the rows of those users and providers among the same ones that have more than `more_than`.
    pub(crate) async fn over_cap_by_user(
        &self,
        connection: &DatabaseConnection,
        order: &UserOrder,
        after: Option<&UserCursor>,
        (limit, more_than): (u32, u32),
    ) -> Result<(Vec<RawRow>, Option<UserCursor>), SourceError> {
        let page = UserPage { limit, more_than: Some(more_than) };
        let (pages, next) = by_user::pages(&self.bound, connection, order, after, page).await?;
        Ok((self.over_cap(pages.into_iter().map(RawRow).collect(), more_than), next))
    }

    /// Returns the rows of those users and providers that have more than `more_than` of them.
    pub(crate) fn over_cap(&self, mut rows: Vec<RawRow>, more_than: u32) -> Vec<RawRow> {
        let owners: Vec<_> =
            rows.iter().map(|row| decode::owner(&self.bound, &row.0.cells)).collect();
        let mut sizes: HashMap<_, u32> = HashMap::new();
        for owner in owners.iter().flatten() {
            *sizes.entry(owner).or_default() += 1;
        }
        let is_over = |owner| sizes.get(owner).is_some_and(|size| *size > more_than);
        let is_over: Vec<bool> =
            owners.iter().map(|owner| owner.as_ref().is_some_and(is_over)).collect();
        let mut is_over = is_over.into_iter();
        rows.retain(|_| is_over.next().unwrap_or(false));
        rows
    }

    /// Returns how many rows have a cookie that another row has as well.
    pub(crate) async fn shared_cookies(
        &self,
        connection: &DatabaseConnection,
    ) -> Result<u64, SourceError> {
        shared_cookies::count(&self.bound, connection).await
    }

    pub(crate) const fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Refuses a key that several rows share: they would get one id, and all but one would be lost.
    async fn require_unique_key(&self, connection: &DatabaseConnection) -> Result<(), SourceError> {
        let bound = &self.bound;
        if bound.key.is_empty() || bound.is_key_indexed {
            return Ok(());
        }
        let mut query = Query::new(bound.dialect, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM ");
        query.push(&bound.from);
        bound.push_filter(&mut query);
        query.push(" GROUP BY ");
        query.push(&page::identifying_texts(bound)?.join(", "));
        query.push(" HAVING COUNT(*) > 1) AS shared");
        match query.number(connection).await? {
            0 => Ok(()),
            shared => Err(SourceError::because(
                SourceErrorKind::KeyNotUnique,
                format!(
                    "{shared} values of {} occur in several rows: map another key, or none",
                    bound.mapping.key.join(", ")
                ),
            )),
        }
    }
}

/// Refuses a SQLite file in UTF-16: its texts, as bytes, are not those that a digest is made of, and
/// not those that this process compares. A server translates.
async fn require_utf8(
    connection: &DatabaseConnection,
    dialect: Dialect,
) -> Result<(), SourceError> {
    match (dialect, other_encoding(connection).await?) {
        (Dialect::Sqlite, Some(_)) => Err(SourceError::new(SourceErrorKind::Encoding)),
        _ => Ok(()),
    }
}

/// Refuses a session of MySQL that is not in UTC: a `timestamp` is returned in the session's zone,
/// without naming it.
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
