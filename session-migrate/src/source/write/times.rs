//! Writing the expiry and the time of the renewal, each in its column and unit.

use session_core::Timestamp;

use super::encode_time::{self, is_text};
use super::renewed_tokens::RenewedTokens;
use super::row_edit::RowEdit;
use crate::source::bind::TimeSlot;
use crate::source::mapping::Unit;
use crate::source::time::{self, Moment, RELATIVE_UNTIL};
use crate::source::{SourceError, read};
use crate::sql::Cell;

pub(super) fn write(edit: &mut RowEdit<'_>, tokens: &RenewedTokens) -> Result<(), SourceError> {
    let bound = edit.bound();
    if let Some(slot) = &bound.renewed {
        let is_there = slot.path.is_empty() || !edit.cell(slot.at, &slot.path).is_empty();
        if is_there && !is_created(edit, slot) && edit.is_own(slot.at) {
            put(edit, slot, tokens.renewed_at)?;
        }
    }
    expiry(edit, tokens)
}

/// Writes the expiry into every column with a value, or without any into the first one.
fn expiry(edit: &mut RowEdit<'_>, tokens: &RenewedTokens) -> Result<(), SourceError> {
    let own = edit.bound().expires.iter().filter(|slot| edit.is_own(slot.at));
    let own: Vec<&TimeSlot> = own.collect();
    let is_filled = |slot: &&&TimeSlot| !edit.cell(slot.at, &slot.path).is_empty();
    let mut places: Vec<&TimeSlot> = own.iter().filter(is_filled).copied().collect();
    if places.is_empty() && tokens.expires_at.is_some() {
        places.extend(own.first());
    }
    for slot in places {
        match tokens.expires_at {
            None => edit.clear(slot.at, &slot.path, None)?,
            Some(at) => {
                renew_bases(edit, slot, tokens.renewed_at)?;
                put(edit, slot, at)?;
            }
        }
    }
    Ok(())
}

/// Sets the base of a relative expiry to the renewal, where it is in the same JSON.
fn renew_bases(
    edit: &mut RowEdit<'_>,
    slot: &TimeSlot,
    renewed_at: Timestamp,
) -> Result<(), SourceError> {
    for base in &slot.bases {
        let is_beside = base.at == slot.at && !base.path.is_empty();
        if is_beside && !is_created(edit, base) && !edit.cell(base.at, &base.path).is_empty() {
            put(edit, base, renewed_at)?;
        }
    }
    Ok(())
}

fn is_created(edit: &RowEdit<'_>, slot: &TimeSlot) -> bool {
    let created = edit.bound().created.as_ref();
    created.is_some_and(|created| created.at == slot.at && created.path == slot.path)
}

pub(super) fn put(
    edit: &mut RowEdit<'_>,
    slot: &TimeSlot,
    at: Timestamp,
) -> Result<(), SourceError> {
    if read::moment(slot, edit.cells()).0 == Moment::At(at) {
        return Ok(());
    }
    let (like, encoding) = (model(edit, slot), edit.encoding(slot)?);
    let cell = match slot.unit {
        Unit::Relative => Some(relative(edit, slot, at, &like)?),
        unit => encode_time::moment(at, unit, slot.zone.as_ref(), &like, encoding),
    };
    match cell {
        Some(cell) => edit.put(slot.at, &slot.path, cell),
        None => Err(edit.failed(slot.at, "cannot express this time")),
    }
}

/// Returns the seconds after the base; or the seconds since 1970 where the stored value counts
/// these, where no base is before the time, or where the difference would be read as such.
fn relative(
    edit: &RowEdit<'_>,
    slot: &TimeSlot,
    at: Timestamp,
    like: &Cell,
) -> Result<Cell, SourceError> {
    let encoding = edit.encoding(slot)?;
    let was_absolute = time::number(like).is_some_and(|seconds| seconds >= RELATIVE_UNTIL);
    let base = slot.bases.iter().find_map(|base| read::moment(base, edit.cells()).0.at());
    let after = base.and_then(|base| at.as_millis().checked_sub(base.as_millis()));
    if let Some(after) = after.filter(|after| *after >= 0 && !was_absolute) {
        let cell = encode_time::span(after, like, encoding);
        let is_relative = time::number(&cell).is_some_and(|seconds| seconds < RELATIVE_UNTIL);
        if is_relative {
            return Ok(cell);
        }
    }
    Ok(encode_time::span(at.as_millis(), like, encoding))
}

/// Returns the stored cell or, if it is empty, another time of the row in a column of the same
/// kind, for its format.
fn model(edit: &RowEdit<'_>, slot: &TimeSlot) -> Cell {
    let stored = edit.cell(slot.at, &slot.path);
    if !stored.is_empty() || !slot.path.is_empty() || !is_text(slot.unit) {
        return stored;
    }
    let bound = edit.bound();
    let Ok(kind) = edit.slot(slot.at).map(|slot| slot.column.kind) else { return stored };
    let is_alike = |other: &&TimeSlot| {
        let other_kind = edit.slot(other.at).map(|slot| slot.column.kind);
        other.path.is_empty() && is_text(other.unit) && other_kind.is_ok_and(|it| it == kind)
    };
    let moments = [&bound.renewed, &bound.created, &bound.used].into_iter().flatten();
    let alike = moments.chain(&bound.expires).filter(is_alike);
    let mut cells = alike.map(|other| edit.cell(other.at, &[]));
    cells.find(|cell| !cell.is_empty()).unwrap_or(stored)
}
