//! Writing into a whole token response: decrypted, changed and encrypted again.

use serde_json::{Error, Value};
use session_core::Timestamp;
use zeroize::Zeroizing;

use super::encode_time::{self, TimeEncoding};
use super::json::{self, Fields};
use super::part::unsealed;
use super::renewed_tokens::RenewedTokens;
use super::row_edit::RowEdit;
use super::scope;
use crate::source::bind::TokenSlot;
use crate::source::mapping::Unit;
use crate::source::raw_json;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Cell;

/// The fields that [`RenewedTokens`] has as fields of its own.
const OWN: [&str; 9] = [
    "access_token",
    "refresh_token",
    "id_token",
    "scope",
    "token_type",
    "expires_in",
    "expires_at",
    "issued_at",
    "auth_time",
];

pub(super) fn write(
    edit: &mut RowEdit<'_>,
    slot: &TokenSlot,
    tokens: &RenewedTokens,
) -> Result<(), SourceError> {
    let stored = edit.cell(slot.at, &[]);
    let plain = if stored.is_empty() { Zeroizing::default() } else { opened(slot, &stored)? };
    let edited = json::edited(&plain, &slot.path, &mut |fields| {
        if stored.is_empty()
            && let Some(at) = tokens.expires_at
        {
            // As authlib has it, in whole seconds.
            fields.set("expires_at", &at.as_millis().div_euclid(1000).into())?;
        }
        change(fields, tokens)
    });
    let edited = edited.map_err(|_| edit.failed(slot.at, "does not hold a JSON object"))?;
    let Some(text) = edited else { return Ok(()) };
    let sealed = slot.codec.seal(text.as_bytes(), &stored, tokens.renewed_at);
    edit.put(slot.at, &[], sealed.map_err(|error| unsealed(slot, error))?)
}

fn opened(slot: &TokenSlot, stored: &Cell) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let opened = slot.codec.open(stored).map_err(|error| {
        let detail =
            format!("{} cannot be decrypted, so nothing can be written into it", slot.name);
        SourceError::because(SourceErrorKind::DecryptionKey, detail).caused_by(error)
    })?;
    Ok(Zeroizing::new(opened.plain().to_vec()))
}

fn change(fields: &mut Fields, tokens: &RenewedTokens) -> Result<(), Error> {
    fields.set("access_token", &tokens.access.as_str().into())?;
    token(fields, "refresh_token", tokens.refresh.as_ref())?;
    token(fields, "id_token", tokens.id.as_ref())?;
    granted(fields, tokens)?;
    for (name, written) in tokens.extra.iter().filter(|(name, _)| !OWN.contains(name)) {
        fields.set_written(name, written);
    }
    let lifetime = tokens
        .expires_at
        .map(|at| at.as_millis().saturating_sub(tokens.renewed_at.as_millis()).max(0));
    let lifetime = lifetime.map(|millis| {
        move |like: &Cell| Some(encode_time::span(millis, like, TimeEncoding::Integer))
    });
    replaced(fields, "expires_in", lifetime)?;
    replaced(fields, "expires_at", tokens.expires_at.map(moment))?;
    replaced(fields, "issued_at", Some(moment(tokens.renewed_at)))?;
    replaced(fields, "auth_time", Some(moment(tokens.renewed_at)))
}

fn token(fields: &mut Fields, name: &str, token: Option<&Zeroizing<String>>) -> Result<(), Error> {
    match token.filter(|token| !token.is_empty()) {
        Some(token) => fields.set(name, &token.as_str().into()),
        None => {
            // An empty text means the same, and may be what the application expects.
            if fields.get(name).is_some_and(|stored| stored != "") {
                fields.remove(name);
            }
            Ok(())
        }
    }
}

fn granted(fields: &mut Fields, tokens: &RenewedTokens) -> Result<(), Error> {
    match tokens.scope.as_deref().filter(|scope| !scope.trim().is_empty()) {
        Some(scope) => {
            if let Some(scope) = scope::in_json(fields.get("scope").as_ref(), scope) {
                fields.set("scope", &scope)?;
            }
        }
        None => fields.remove("scope"),
    }
    let Some(token_type) = &tokens.token_type else { return Ok(()) };
    let stored = fields.get("token_type");
    let stored = stored.as_ref().and_then(Value::as_str).unwrap_or_default();
    // The type is case insensitive (RFC 6749, section 5.1).
    if stored.eq_ignore_ascii_case(token_type) {
        return Ok(());
    }
    fields.set("token_type", &token_type.as_str().into())
}

/// Returns a time in seconds, milliseconds or as text, like the stored one.
fn moment(at: Timestamp) -> impl Fn(&Cell) -> Option<Cell> {
    move |like| encode_time::moment(at, Unit::Timestamp, None, like, TimeEncoding::Integer)
}

/// Replaces an existing field by a value that is made like it, or removes it.
fn replaced(
    fields: &mut Fields,
    name: &str,
    make: Option<impl Fn(&Cell) -> Option<Cell>>,
) -> Result<(), Error> {
    let stored = raw_json::cell(fields.raw(name));
    if stored.is_null() {
        return Ok(());
    }
    let Some(make) = make else {
        fields.remove(name);
        return Ok(());
    };
    match make(&stored) {
        Some(Cell::Integer(number)) => fields.set(name, &number.into()),
        Some(Cell::Real(number)) => fields.set(name, &number.into()),
        Some(Cell::Text(text)) => fields.set(name, &text.into()),
        _ => Ok(()),
    }
}
