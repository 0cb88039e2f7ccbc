//! Rows user by user: each page holds all rows of its users, whatever the order of texts is.
//!
//! The database finds the last user of a page, and then returns everything up to that user. So rows
//! that its own comparison takes for one user's come together, and this process never has to know
//! how the database orders texts.

use std::fmt;
use std::str::FromStr;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, DatabaseConnection};
use serde::{Deserialize, Serialize};

use super::page::{self, Cursor, CursorValue, InvalidCursor, Page, mark};
use super::text::exact;
use crate::source::SourceError;
use crate::source::bind::{Bound, ProviderSlot, Slot};
use crate::sql::pool::{PoolOptions, existing};
use crate::sql::{Cell, CellReader, Column, ColumnKind, Dialect, Query, SqlError, has_index_on};

/// The temporary table of users and keys.
const LIST: &str = "session_move_user";

/// The position after a user.
///
/// Its text can be stored, and parsed by another process.
///
/// # Security
///
/// It holds a user's id or, among rows without a user, a row's key, which can be a cookie; `Debug`
/// prints nothing of it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct UserCursor(Position);

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Position {
    /// Rows without a user come first, in the order of the key.
    WithoutUser(Cursor),
    /// After this user, or before the first.
    User(Option<CursorValue>),
}

impl FromStr for UserCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        serde_json::from_str(text).map_err(|_| InvalidCursor)
    }
}

impl fmt::Display for UserCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for UserCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCursor")
    }
}

/// How users are ordered and found.
#[derive(Debug, Clone)]
pub(crate) enum UserOrder {
    /// By the column's own comparison, which an index serves.
    Column,
    /// By the bytes of its text. Each page sorts what is left of the table.
    Bytes,
    /// By the bytes of its text, from a temporary table of users and keys on this connection.
    Listed(DatabaseConnection),
}

/// The one connection on which users are listed: a temporary table belongs to its connection.
#[derive(Debug, Clone, Copy)]
pub enum ListOn<'a> {
    /// The connection that reads, which is the only one of its pool.
    Same,
    /// A connection of its own to this address.
    Address(&'a str),
}

/// Returns the order in which all rows of a user come together. Where no index serves the user's
/// column, the users are listed once.
pub(super) async fn order(
    bound: &Bound,
    connection: &DatabaseConnection,
    list_on: ListOn<'_>,
) -> Result<UserOrder, SourceError> {
    let slot = bound.slot(bound.user)?;
    let is_column = match bound.dialect {
        Dialect::Sqlite => has_one_class(bound, slot, connection).await?,
        dialect => is_ordered(dialect, &slot.column),
    };
    if is_column && is_indexed(bound, slot, connection).await? {
        return Ok(UserOrder::Column);
    }
    // A standby, or a user without the right, takes no temporary table.
    if bound.is_key_indexed
        && let Ok(listed) = list(bound, slot, connection, list_on).await
    {
        return Ok(UserOrder::Listed(listed));
    }
    Ok(if is_column { UserOrder::Column } else { UserOrder::Bytes })
}

/// Returns whether an index of the mapped table begins with the column.
async fn is_indexed(
    bound: &Bound,
    slot: &Slot,
    connection: &DatabaseConnection,
) -> Result<bool, SourceError> {
    if slot.join.is_some() {
        return Ok(false);
    }
    let table = bound.slots.base();
    Ok(has_index_on(connection, bound.dialect, table, &slot.column.name).await?)
}

fn drop_list(dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => format!("DROP TABLE IF EXISTS temp.{LIST}"),
        Dialect::Postgres => format!("DROP TABLE IF EXISTS pg_temp.{LIST}"),
        Dialect::Mysql => format!("DROP TEMPORARY TABLE IF EXISTS {LIST}"),
    }
}

/// Lists the user and the key of each row in a temporary table, with an index.
async fn list(
    bound: &Bound,
    slot: &Slot,
    connection: &DatabaseConnection,
    list_on: ListOn<'_>,
) -> Result<DatabaseConnection, SourceError> {
    let connection = match list_on {
        ListOn::Same => connection.clone(),
        ListOn::Address(address) => PoolOptions::new(1).connect(&existing(address)).await?,
    };
    connection.execute_unprepared(&drop_list(bound.dialect)).await.map_err(SqlError::from)?;
    let columns = match bound.dialect {
        Dialect::Sqlite | Dialect::Postgres => " AS",
        Dialect::Mysql => " (u VARBINARY(1020) NOT NULL, KEY (u))",
    };
    let user = exact(bound.dialect, slot);
    let sql = format!("CREATE TEMPORARY TABLE {LIST}{columns} SELECT {user} AS u");
    let mut query = Query::new(bound.dialect, sql);
    for (at, key) in bound.key.iter().enumerate() {
        query.push(&format!(", {} AS k{at}", bound.slot(*key)?.sql));
    }
    query.push(" FROM ").push(&bound.from);
    bound.push_filter(&mut query);
    query.push(&format!(" AND {} IS NOT NULL", slot.sql));
    query.execute(&connection).await?;
    let after: &[&str] = match bound.dialect {
        Dialect::Sqlite => &["CREATE INDEX temp.session_move_user_u ON session_move_user (u)"],
        Dialect::Postgres => &[
            "CREATE INDEX session_move_user_u ON pg_temp.session_move_user (u)",
            "ANALYZE pg_temp.session_move_user",
        ],
        Dialect::Mysql => &[],
    };
    for sql in after {
        Query::new(bound.dialect, *sql).execute(&connection).await?;
    }
    Ok(connection)
}

/// Returns whether the column's own comparison finds one value for each text.
fn is_ordered(dialect: Dialect, column: &Column) -> bool {
    let declared = column.declared.to_ascii_lowercase();
    match column.kind {
        ColumnKind::Uuid => true,
        // Large ones are read as text, and would be compared as floating point.
        ColumnKind::Integer => !declared.contains("unsigned"),
        // These are ordered by their numbers, and compared by their names.
        ColumnKind::Text => !declared.starts_with("enum") && !declared.starts_with("set"),
        ColumnKind::Bytes => dialect == Dialect::Mysql,
        _ => false,
    }
}

/// Returns whether a column of SQLite holds values of one class. Otherwise one user can have several
/// values: 7 and '7', or a text and its bytes.
async fn has_one_class(
    bound: &Bound,
    slot: &Slot,
    connection: &DatabaseConnection,
) -> Result<bool, SourceError> {
    let class = format!("typeof({})", slot.sql);
    let mut query = Query::new(bound.dialect, format!("SELECT {class} FROM {}", bound.from));
    bound.push_filter(&mut query);
    query.push(&format!(" AND {} IS NOT NULL GROUP BY 1 LIMIT 2", slot.sql));
    let mut classes = Vec::new();
    for row in query.rows(connection).await? {
        classes.push(CellReader::new(bound.dialect, &row).cell(ColumnKind::Text)?);
    }
    Ok(match classes.as_slice() {
        [] => true,
        [Cell::Text(class)] => class == "text" || class == "integer",
        _ => false,
    })
}

/// Which users are read, and how many rows at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserPage {
    /// About how many rows a page stands for; it holds at least one user.
    pub(super) limit: u32,
    /// If it is set, users are left out who have no provider with more rows; so are rows without a
    /// user. Where no index serves the users, some are returned nevertheless.
    pub(super) more_than: Option<u32>,
}

/// Reads whole users; rows without a user come first. Returns the rows, and the position after them, or
/// `None` at the end.
pub(super) async fn pages(
    bound: &Bound,
    connection: &DatabaseConnection,
    order: &UserOrder,
    after: Option<&UserCursor>,
    page: UserPage,
) -> Result<(Vec<Page>, Option<UserCursor>), SourceError> {
    let connection = match order {
        UserOrder::Listed(own) => own,
        UserOrder::Column | UserOrder::Bytes => connection,
    };
    let users = Users { bound, slot: bound.slot(bound.user)?, order };
    let limit = page.limit;
    match after.map(|cursor| &cursor.0) {
        Some(Position::User(user)) => users.read(connection, user.as_ref(), page).await,
        None if page.more_than.is_some() => users.read(connection, None, page).await,
        Some(Position::WithoutUser(row)) => without_user(bound, connection, Some(row), limit).await,
        None => without_user(bound, connection, None, limit).await,
    }
}

async fn without_user(
    bound: &Bound,
    connection: &DatabaseConnection,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<(Vec<Page>, Option<UserCursor>), SourceError> {
    let is_without = format!(" AND {} IS NULL", bound.slot(bound.user)?.sql);
    let rows = page::query(bound, &is_without, after, limit)?.rows(connection).await?;
    let pages = rows.iter().map(|row| page::read(bound, row));
    let pages: Vec<Page> = pages.collect::<Result<_, _>>()?;
    let is_last = u32::try_from(pages.len()).is_ok_and(|count| count < limit);
    let last = rows.last().filter(|_| !is_last);
    let next = last.map(|row| page::cursor(bound, row)).transpose()?;
    let next = next.map_or(Position::User(None), Position::WithoutUser);
    Ok((pages, Some(UserCursor(next))))
}

/// The rows that have a user.
struct Users<'a> {
    bound: &'a Bound,
    slot: &'a Slot,
    order: &'a UserOrder,
}

impl Users<'_> {
    async fn read(
        &self,
        connection: &DatabaseConnection,
        after: Option<&CursorValue>,
        page: UserPage,
    ) -> Result<(Vec<Page>, Option<UserCursor>), SourceError> {
        let last = self.last_of_page(connection, after, page.limit).await?;
        let mut query = page::select(self.bound, "");
        query.push(" FROM ").push(&self.from());
        self.bound.push_filter(&mut query);
        self.push_is_listed(&mut query)?;
        self.push_range(&mut query, after, last.as_ref());
        if let (Some(more_than), UserOrder::Column) = (page.more_than, self.order) {
            self.push_is_over_cap(&mut query, (after, last.as_ref()), more_than)?;
        }
        let mut pages = Vec::new();
        for row in query.rows(connection).await? {
            pages.push(page::read(self.bound, &row)?);
        }
        Ok((pages, last.map(|last| UserCursor(Position::User(Some(last))))))
    }

    /// Returns the last user of a page; `None` if the page holds all that are left.
    async fn last_of_page(
        &self,
        connection: &DatabaseConnection,
        after: Option<&CursorValue>,
        limit: u32,
    ) -> Result<Option<CursorValue>, SourceError> {
        let (dialect, kind) = (self.bound.dialect, self.slot.column.kind);
        let mut query = Query::new(dialect, "SELECT ");
        match self.order {
            UserOrder::Column => query.push(&dialect.fetch(&self.slot.sql, kind)),
            UserOrder::Bytes | UserOrder::Listed(_) => query.push(&self.sql()),
        };
        match self.order {
            UserOrder::Listed(_) => {
                query.push(&format!(" FROM {LIST} AS listed WHERE 1 = 1"));
            }
            UserOrder::Column | UserOrder::Bytes => {
                query.push(" FROM ").push(&self.bound.from);
                self.bound.push_filter(&mut query);
            }
        }
        self.push_after(&mut query, after);
        let place = limit.saturating_sub(1);
        query.push(&format!(" ORDER BY {} LIMIT 1 OFFSET {place}", self.sql()));
        let rows = query.rows(connection).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut reader = CellReader::new(dialect, row);
        let cell = match (self.order, dialect) {
            (UserOrder::Column, _) => reader.cell(kind)?,
            (_, Dialect::Postgres) => reader.expression(ColumnKind::Text)?,
            _ => reader.expression(ColumnKind::Bytes)?,
        };
        Ok(Some(mark(&cell)))
    }

    /// Returns the tables that a page is read from: the list first, so that the rest is looked up.
    fn from(&self) -> String {
        match self.order {
            UserOrder::Listed(_) => format!("{LIST} AS listed CROSS JOIN {}", self.bound.from),
            UserOrder::Column | UserOrder::Bytes => self.bound.from.clone(),
        }
    }

    /// Appends the condition that a row is the one that is listed.
    fn push_is_listed(&self, query: &mut Query) -> Result<(), SourceError> {
        if let UserOrder::Listed(_) = self.order {
            for (at, key) in self.bound.key.iter().enumerate() {
                query.push(&format!(" AND {} = listed.k{at}", self.bound.slot(*key)?.sql));
            }
        }
        Ok(())
    }

    /// Appends the condition that a user of the page has more rows of one provider. What the column's own
    /// comparison takes for one user is counted together, so that none is left out.
    fn push_is_over_cap(
        &self,
        query: &mut Query,
        (after, last): (Option<&CursorValue>, Option<&CursorValue>),
        more_than: u32,
    ) -> Result<(), SourceError> {
        let user = &self.slot.sql;
        query.push(&format!(" AND {user} IN (SELECT {user} FROM {}", self.bound.from));
        self.bound.push_filter(query);
        self.push_range(query, after, last);
        query.push(&format!(" GROUP BY {user}"));
        if let ProviderSlot::Column(at) = self.bound.provider {
            query.push(&format!(", {}", self.bound.slot(at)?.sql));
        }
        query.push(&format!(" HAVING COUNT(*) > {more_than})"));
        Ok(())
    }

    /// Appends the condition that a row has a user after the one and up to the other.
    fn push_range(
        &self,
        query: &mut Query,
        after: Option<&CursorValue>,
        last: Option<&CursorValue>,
    ) {
        self.push_after(query, after);
        if let Some(last) = last {
            let last = self.parameter(query, last);
            query.push(&format!(" AND {} <= {last}", self.sql()));
        }
    }

    /// Appends the condition that a row has a user after this one, or at all.
    fn push_after(&self, query: &mut Query, after: Option<&CursorValue>) {
        let condition = match (after, self.order) {
            (Some(after), _) => format!("{} > {}", self.sql(), self.parameter(query, after)),
            (None, UserOrder::Listed(_)) => return,
            (None, _) => format!("{} IS NOT NULL", self.slot.sql),
        };
        query.push(" AND ").push(&condition);
    }

    fn sql(&self) -> String {
        match self.order {
            UserOrder::Column => self.slot.sql.clone(),
            UserOrder::Bytes => exact(self.bound.dialect, self.slot),
            UserOrder::Listed(_) => "listed.u".to_owned(),
        }
    }

    fn parameter(&self, query: &mut Query, value: &CursorValue) -> String {
        let placeholder = value.bind(query);
        match self.order {
            UserOrder::Column => self.bound.dialect.typed(&placeholder, &self.slot.column),
            UserOrder::Bytes | UserOrder::Listed(_) => placeholder,
        }
    }
}
