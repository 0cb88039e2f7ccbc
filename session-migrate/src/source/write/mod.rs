//! The inverse of reading, for a rollback and a failback: writes renewed tokens back into the row that
//! they came from, in the source's own codec and form, and adds and removes rows.
//!
//! The changes are computed without the database; then one statement makes them if the row is still
//! what was read. A column with an equal value is not touched.

mod encode_time;
mod json;
mod new_row;
mod part;
mod renewed_tokens;
mod response;
mod row_edit;
mod scope;
mod statement;
mod time_format;
mod times;

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::source::bind::{Bound, schema_mismatch};
use crate::source::read::SourceTable;
use crate::source::row::SourceRow;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Cell;
use crate::sql::ColumnKind;
use crate::sql::Dialect;
pub(crate) use new_row::NewRow;
pub use renewed_tokens::RenewedTokens;
use row_edit::RowEdit;

impl SourceTable {
    /// Checks that tokens can be written back into this table at all.
    ///
    /// # Errors
    ///
    /// [`SourceError`] for a view, and for a mapping without a key.
    #[doc(hidden)]
    pub fn require_writable(&self) -> Result<(), SourceError> {
        let bound = self.bound();
        let table = &bound.slots.base().name;
        let why = if bound.slots.base().is_view {
            "it is a view"
        } else if bound.key.is_empty() {
            "the mapping has no key to find its rows by"
        } else {
            return Ok(());
        };
        Err(schema_mismatch(format!("the table {table:?} cannot be written back to: {why}")))
    }

    /// Writes renewed tokens into the row that `row` was read from, each in its column's codec and
    /// form. Returns `false`, and writes nothing, if the row is gone or is no longer what was read.
    ///
    /// The expiry goes into the columns that have one, and `renewed` becomes the time of the
    /// renewal; the columns of joined tables, and the time of creation, stay as they are. A column
    /// with an equal value keeps its bytes. As for reading, MySQL's session must be in UTC.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the table is a view or has no key, if a token is in a joined table or in
    /// the key, if a stored response cannot be decrypted or a token not encrypted, if several rows
    /// have the key, if a column truncated a value, or if the statement fails. After an error the
    /// caller must roll the transaction back.
    #[doc(hidden)]
    pub async fn write_back(
        &self,
        connection: &impl ConnectionTrait,
        row: &SourceRow,
        tokens: &RenewedTokens,
    ) -> Result<bool, SourceError> {
        self.require_writable()?;
        let bound = self.bound();
        let changes = changes(bound, row, tokens)?;
        let stored = row_edit::stored(bound, row)?;
        if changes.is_empty() {
            let there = statement::count(bound, &stored, &statement::held(bound))?;
            return Ok(there.number(connection).await? > 0);
        }
        match statement::update(bound, &stored, &changes)?.execute(connection).await? {
            0 => return Ok(false),
            1 => {}
            _ => return Err(SourceError::new(SourceErrorKind::KeyNotUnique)),
        }
        require_whole(connection, bound, stored, &changes).await?;
        Ok(true)
    }
}

/// Returns the cells that change, with the indexes of their columns.
fn changes(
    bound: &Bound,
    row: &SourceRow,
    tokens: &RenewedTokens,
) -> Result<Vec<(usize, Cell)>, SourceError> {
    let mut edit = RowEdit::of(bound, row)?;
    match &bound.tokens.response {
        Some(slot) => response::write(&mut edit, slot, tokens)?,
        None => part::write(&mut edit, tokens)?,
    }
    times::write(&mut edit, tokens)?;
    Ok(edit.changes())
}

/// Checks that no value was truncated: MySQL only warns of that where its mode is not strict.
async fn require_whole(
    connection: &impl ConnectionTrait,
    bound: &Bound,
    mut cells: Vec<&Cell>,
    changes: &[(usize, Cell)],
) -> Result<(), SourceError> {
    if bound.dialect != Dialect::Mysql {
        return Ok(());
    }
    let mut places = BTreeSet::new();
    for (at, cell) in changes {
        // Other types have their own text for the value that was written.
        let kind = bound.slot(*at)?.column.kind;
        if let Some(old) = cells.get_mut(*at)
            && matches!(kind, ColumnKind::Text | ColumnKind::Bytes)
        {
            *old = cell;
            places.insert(*at);
        }
    }
    match statement::count(bound, &cells, &places)?.number(connection).await? {
        0 => {
            Err(schema_mismatch("a column truncated the value that was written into it".to_owned()))
        }
        _ => Ok(()),
    }
}
