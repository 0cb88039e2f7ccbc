//! Rows that a failback adds to a table and removes from it: the sessions that began, and those that
//! ended, after the cutover.

use sea_orm_migration::sea_orm::ConnectionTrait;
use session_core::Timestamp;

use super::renewed_tokens::RenewedTokens;
use super::row_edit::RowEdit;
use super::{part, response, statement, times};
use crate::source::bind::{Bound, ProviderSlot, TokenSlot};
use crate::source::read::SourceTable;
use crate::source::row::{SourceKey, SourceRow};
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::{Cell, ColumnKind};

/// A session that becomes a row.
#[derive(Debug)]
pub(crate) struct NewRow<'a> {
    pub(crate) user: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) account: Option<&'a str>,
    /// A random text, for the part of the key that no other value fills. It may become a cookie.
    pub(crate) random: &'a str,
    pub(crate) created_at: Timestamp,
    pub(crate) tokens: &'a RenewedTokens,
}

impl SourceTable {
    /// Returns why no session can become a row of this table; `None` if one can.
    pub(crate) fn obstacle_to_rows(&self) -> Option<String> {
        let bound = self.bound();
        let base = bound.slots.base();
        if let Err(error) = self.require_writable() {
            return Some(error.to_string());
        }
        if bound.key.iter().all(|at| *at == bound.user) {
            return Some("the table has one row for each user".to_owned());
        }
        let is_fillable = |at: &&usize| is_named(bound, **at) || takes_random(bound, **at);
        if !bound.key.iter().all(|at| is_fillable(&at)) {
            return Some("the database gives new rows their keys".to_owned());
        }
        if written(bound).any(|at| bound.slots.slot(at).is_none_or(|slot| slot.join.is_some())) {
            return Some("a part of a row is in another table".to_owned());
        }
        if let Some(slot) = token_slots(bound).find(|slot| !can_seal(bound, slot)) {
            return Some(format!("{} cannot be encrypted", slot.name));
        }
        let is_filled = |name: &str| {
            written(bound).filter_map(|at| bound.slots.slot(at)).any(|it| it.column.name == name)
        };
        let missing = base.columns.iter().filter(|column| {
            !column.is_nullable && !column.has_default && !is_filled(&column.name)
        });
        let missing: Vec<&str> = missing.map(|column| column.name.as_str()).collect();
        match missing.is_empty() {
            true => None,
            false => Some(format!("a new row needs {}, which nothing fills", missing.join(", "))),
        }
    }

    /// Returns whether a session of this provider can be a row of this table.
    pub(crate) fn takes_provider(&self, provider: &str) -> bool {
        match &self.bound().provider {
            ProviderSlot::Column(_) => true,
            ProviderSlot::Constant(name) => name == provider,
        }
    }

    /// Returns the key that the row of a session has.
    pub(crate) fn new_key(&self, row: &NewRow<'_>) -> Result<SourceKey, SourceError> {
        let cells = start(self.bound(), row)?;
        let cell = |at: &usize| cells.get(*at).cloned().unwrap_or(Cell::Null);
        Ok(SourceKey::new(self.bound().key.iter().map(cell).collect()))
    }

    /// Adds a session as a row.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a value has no form in its column, or if the statement fails; of the kind
    /// [`Schema`](SourceErrorKind::Schema) if the row does not read as the session. After an error the
    /// caller must roll the transaction back.
    pub(crate) async fn insert(
        &self,
        connection: &impl ConnectionTrait,
        row: &NewRow<'_>,
    ) -> Result<(), SourceError> {
        let bound = self.bound();
        let cells = start(bound, row)?;
        let mut edit = RowEdit::new(bound, &cells);
        if let Some(slot) = bound.created.as_ref().filter(|slot| edit.is_own(slot.at)) {
            times::put(&mut edit, slot, row.created_at)?;
        }
        if let Some(slot) = bound.used.as_ref().filter(|slot| edit.is_own(slot.at)) {
            times::put(&mut edit, slot, row.tokens.renewed_at)?;
        }
        match &bound.tokens.response {
            Some(slot) => response::write(&mut edit, slot, row.tokens)?,
            None => part::write(&mut edit, row.tokens)?,
        }
        times::write(&mut edit, row.tokens)?;
        let filled: Vec<(usize, Cell)> = edit.into_cells().into_iter().enumerate().collect();
        statement::insert(bound, &filled)?.execute(connection).await?;
        self.require_read(connection, row).await
    }

    /// Checks that the row reads as the session: the filter may leave it out, and a column may have
    /// truncated a value.
    async fn require_read(
        &self,
        connection: &impl ConnectionTrait,
        row: &NewRow<'_>,
    ) -> Result<(), SourceError> {
        let key = self.new_key(row)?;
        let found = self.rows_by_keys(connection, &[key.cells().to_vec()]).await?;
        let is_it = |read: &SourceRow| {
            let tokens = read.tokens.opened();
            let is_its = tokens.is_some_and(|tokens| {
                tokens.access() == Some(row.tokens.access.as_str())
                    && tokens.refresh() == row.tokens.refresh.as_ref().map(|token| token.as_str())
            });
            is_its
                && read.user.as_deref() == Some(row.user)
                && read.provider.as_deref() == Some(row.provider)
        };
        match found.as_slice() {
            [only] if is_it(only) => Ok(()),
            _ => Err(SourceError::because(
                SourceErrorKind::Schema,
                "a new row does not read as what was written",
            )),
        }
    }

    /// Takes the tokens of an ended session out of a table: removes the row if rows are sessions, and
    /// clears its tokens otherwise. Returns `false`, and writes nothing, if the row is not what was
    /// read any more.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the tokens cannot be cleared, or if the statement fails.
    pub(crate) async fn end(
        &self,
        connection: &impl ConnectionTrait,
        row: &SourceRow,
        is_removable: bool,
        now: Timestamp,
    ) -> Result<bool, SourceError> {
        self.require_writable()?;
        let bound = self.bound();
        if !is_removable || bound.mapping.cookie.is_none() {
            return self.write_back(connection, row, &RenewedTokens::none(now)).await;
        }
        let stored = super::row_edit::stored(bound, row)?;
        match statement::delete(bound, &stored)?.execute(connection).await? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(SourceError::new(SourceErrorKind::KeyNotUnique)),
        }
    }
}

/// Returns the columns that every new row fills.
fn written(bound: &Bound) -> impl Iterator<Item = usize> {
    let provider = match &bound.provider {
        ProviderSlot::Column(at) => Some(*at),
        ProviderSlot::Constant(_) => None,
    };
    let tokens = [&bound.tokens.response, &bound.tokens.access].into_iter().flatten();
    let times = [&bound.created, &bound.renewed].into_iter().flatten();
    let times = times.chain(bound.expires.first()).map(|slot| slot.at);
    let own = move |at: &usize| bound.slots.slot(*at).is_some_and(|slot| slot.join.is_none());
    let cookie = bound.cookie.as_ref().map(|slot| slot.at);
    [Some(bound.user), provider, bound.account, cookie]
        .into_iter()
        .flatten()
        .chain(bound.key.iter().copied())
        .chain(tokens.map(|slot| slot.at))
        .chain(times.filter(own))
}

fn token_slots(bound: &Bound) -> impl Iterator<Item = &TokenSlot> {
    let tokens = &bound.tokens;
    [&tokens.response, &tokens.access, &tokens.refresh, &tokens.id].into_iter().flatten()
}

fn can_seal(bound: &Bound, slot: &TokenSlot) -> bool {
    let at = Timestamp::from_millis(0);
    slot.codec.seal(b"{}", &blank(bound, slot.at), at).is_ok()
}

/// Returns an empty cell of a column's class.
fn blank(bound: &Bound, at: usize) -> Cell {
    match bound.slots.slot(at).map(|slot| slot.column.kind) {
        Some(ColumnKind::Bytes) => Cell::Bytes(Vec::new()),
        _ => Cell::Text(String::new()),
    }
}

/// Returns whether a column holds the user, the provider or the account.
fn is_named(bound: &Bound, at: usize) -> bool {
    let is_provider = matches!(&bound.provider, ProviderSlot::Column(of) if *of == at);
    at == bound.user || is_provider || bound.account == Some(at)
}

fn takes_random(bound: &Bound, at: usize) -> bool {
    let kind = bound.slots.slot(at).map(|slot| slot.column.kind);
    matches!(kind, Some(ColumnKind::Text | ColumnKind::Uuid))
}

/// Returns the cells of a new row before its tokens and times are written.
fn start(bound: &Bound, row: &NewRow<'_>) -> Result<Vec<Cell>, SourceError> {
    let mut cells = vec![Cell::Null; bound.slots.iter().count()];
    let mut set = |at: usize, cell: Cell| {
        if let Some(old) = cells.get_mut(at) {
            *old = cell;
        }
    };
    for slot in token_slots(bound).filter(|slot| slot.path.is_empty()) {
        set(slot.at, blank(bound, slot.at));
    }
    if let Some(slot) = &bound.cookie {
        set(slot.at, Cell::Text(row.random.to_owned()));
    }
    for at in bound.key.iter().filter(|at| takes_random(bound, **at)) {
        set(*at, Cell::Text(row.random.to_owned()));
    }
    if let (Some(at), Some(account)) = (bound.account, row.account) {
        set(at, named(bound, at, account)?);
    }
    if let ProviderSlot::Column(at) = &bound.provider {
        set(*at, named(bound, *at, row.provider)?);
    }
    set(bound.user, named(bound, bound.user, row.user)?);
    Ok(cells)
}

/// Returns the cell of a name in its column.
fn named(bound: &Bound, at: usize, name: &str) -> Result<Cell, SourceError> {
    let text = || Cell::Text(name.to_owned());
    let column = &bound.slot(at)?.column;
    let cell = match column.kind {
        ColumnKind::Integer => name.parse().ok().map(Cell::Integer),
        ColumnKind::Bytes => Some(Cell::Bytes(name.as_bytes().to_vec())),
        _ => Some(text()),
    };
    cell.ok_or_else(|| {
        let detail = format!("the column {:?} takes no such value", column.name);
        SourceError::because(SourceErrorKind::Schema, detail)
    })
}
