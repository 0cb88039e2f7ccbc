//! Writing tokens into columns of their own.

use zeroize::Zeroizing;

use super::renewed_tokens::RenewedTokens;
use super::row_edit::{RowEdit, text};
use super::scope;
use crate::source::bind::{PathSlot, TokenSlot};
use crate::source::codec::CodecError;
use crate::source::mapping::TokenSource;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::{Cell, ColumnKind};

/// A token's column with its mapping, which names the codec.
type TokenColumn<'a> = (&'a Option<TokenSlot>, &'a Option<TokenSource>);

pub(super) fn write(edit: &mut RowEdit<'_>, tokens: &RenewedTokens) -> Result<(), SourceError> {
    let (slots, places) = (&edit.bound().tokens, &edit.bound().mapping.tokens);
    let parts: [TokenColumn<'_>; 3] = [
        (&slots.access, &places.access),
        (&slots.refresh, &places.refresh),
        (&slots.id, &places.id),
    ];
    // Before any of them changes: an empty column takes its form from one with a value.
    let models: Vec<Cell> = parts.iter().map(|part| model(edit, *part, &parts)).collect();
    let values = [Some(&tokens.access), tokens.refresh.as_ref(), tokens.id.as_ref()];
    for (((slot, _), value), model) in parts.into_iter().zip(values).zip(models) {
        if let Some(slot) = slot {
            one(edit, slot, value.map(|token| token.as_str()), &model, tokens)?;
        }
    }
    if let (Some(slot), Some(token_type)) = (&slots.token_type, &tokens.token_type) {
        let stored = edit.cell(slot.at, &slot.path);
        let known = opened(slot, &stored).unwrap_or_default();
        // The type is case insensitive (RFC 6749, section 5.1).
        if !known.eq_ignore_ascii_case(token_type.as_bytes()) {
            one(edit, slot, Some(token_type), &stored, tokens)?;
        }
    }
    match &slots.scope {
        Some(slot) if edit.is_own(slot.at) => scope(edit, slot, tokens.scope.as_deref()),
        _ => Ok(()),
    }
}

/// Returns a column's cell or, if it is empty, that of another column with the same codec, so that
/// no token is written in plain text beside encrypted ones.
fn model(edit: &RowEdit<'_>, (slot, place): TokenColumn<'_>, parts: &[TokenColumn<'_>]) -> Cell {
    let (Some(slot), Some(place)) = (slot, place) else { return Cell::Null };
    let stored = edit.cell(slot.at, &slot.path);
    if !stored.is_empty() {
        return stored;
    }
    let others = parts.iter().filter_map(|(slot, place)| slot.as_ref().zip(place.as_ref()));
    let alike = others.filter(|(_, other)| other.codec == place.codec);
    let mut cells = alike.map(|(slot, _)| edit.cell(slot.at, &slot.path));
    cells.find(|cell| !cell.is_empty()).unwrap_or(stored)
}

fn opened(slot: &TokenSlot, stored: &Cell) -> Option<Zeroizing<Vec<u8>>> {
    if stored.is_empty() {
        return None;
    }
    let opened = slot.codec.open(stored).ok()?;
    Some(Zeroizing::new(opened.plain().to_vec()))
}

fn one(
    edit: &mut RowEdit<'_>,
    slot: &TokenSlot,
    token: Option<&str>,
    model: &Cell,
    tokens: &RenewedTokens,
) -> Result<(), SourceError> {
    let stored = edit.cell(slot.at, &slot.path);
    let known = opened(slot, &stored).filter(|known| !known.is_empty());
    let token = token.filter(|token| !token.is_empty());
    if known.as_ref().map(|known| known.as_slice()) == token.map(str::as_bytes) {
        return Ok(());
    }
    let is_bytes = edit.slot(slot.at)?.column.kind == ColumnKind::Bytes && slot.path.is_empty();
    let blank = if is_bytes { Cell::Bytes(Vec::new()) } else { Cell::Text(String::new()) };
    let Some(token) = token else {
        return match stored.is_empty() {
            true => Ok(()),
            false => edit.clear(slot.at, &slot.path, Some(blank)),
        };
    };
    let model = if model.is_null() { &blank } else { model };
    let sealed = slot.codec.seal(token.as_bytes(), model, tokens.renewed_at);
    edit.put(slot.at, &slot.path, sealed.map_err(|error| unsealed(slot, error))?)
}

/// Returns the error of a token that cannot be encrypted.
pub(super) fn unsealed(slot: &TokenSlot, error: CodecError) -> SourceError {
    let detail = format!("{} cannot be written back", slot.name);
    SourceError::because(SourceErrorKind::DecryptionKey, detail).caused_by(error)
}

fn scope(edit: &mut RowEdit<'_>, slot: &PathSlot, scope: Option<&str>) -> Result<(), SourceError> {
    let stored = edit.cell(slot.at, &slot.path);
    let Some(scope) = scope.filter(|scope| !scope.trim().is_empty()) else {
        return match stored.is_empty() {
            true => Ok(()),
            false => edit.clear(slot.at, &slot.path, Some(Cell::Text(String::new()))),
        };
    };
    if !slot.path.is_empty() {
        let written = scope::in_json(edit.json(slot.at, &slot.path).as_ref(), scope);
        return match written {
            Some(value) => edit.put_json(slot.at, &slot.path, Some(&value)),
            None => Ok(()),
        };
    }
    let known = text(&stored);
    let column = &edit.slot(slot.at)?.column;
    let Some(written) = scope::in_column(Some(&known), column, scope) else { return Ok(()) };
    edit.put(
        slot.at,
        &[],
        match stored {
            Cell::Bytes(_) => Cell::Bytes(written.into_bytes()),
            _ => Cell::Text(written),
        },
    )
}
