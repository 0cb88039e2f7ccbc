//! Decodes stored cells to a row: applies every codec, path and unit.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::source::bind::{Bound, PathSlot, ProviderSlot, TimeSlot, TokenSlot, ValueSlot};
use crate::source::codec::{KeyUse, Opened};
use crate::source::mapping::Unit;
use crate::source::mapping::columns::is_match;
use crate::source::raw_json;
use crate::source::row::{
    Expiry, OpenedTokens, RowTokens, SourceKey, SourceRow, StoredColumn, Unreadable,
    UnreadableReason, scope_of_text,
};
use crate::source::time::{self, Moment};
use crate::sql::Cell;

const NULL: &Cell = &Cell::Null;

fn cell(cells: &[Cell], at: usize) -> &Cell {
    cells.get(at).unwrap_or(NULL)
}

fn text(cells: &[Cell], at: usize) -> Option<String> {
    cell(cells, at).as_text().map(Cow::into_owned)
}

fn provider<'a>(bound: &'a Bound, cells: &'a [Cell]) -> Option<Cow<'a, str>> {
    match &bound.provider {
        ProviderSlot::Column(at) => cell(cells, *at).as_text(),
        ProviderSlot::Constant(name) => Some(Cow::Borrowed(name)),
    }
}

/// Returns the user and the provider, without opening the row's tokens.
pub(super) fn owner<'a>(
    bound: &'a Bound,
    cells: &'a [Cell],
) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    cell(cells, bound.user).as_text().zip(provider(bound, cells))
}

pub(super) fn row(bound: &Bound, cells: Vec<Cell>, is_orphan: bool) -> SourceRow {
    let provider = provider(bound, &cells).map(Cow::into_owned);
    let tokens = match provider.as_deref().is_some_and(|name| is_oauth1(bound, name)) {
        true => oauth1(),
        false => tokens(bound, &cells),
    };
    let (expires_at, expiry) = expiry(bound, &cells);
    let moment = |slot: &Option<TimeSlot>| slot.as_ref().and_then(|it| moment(it, &cells).0.at());
    let [issuer, subject, sid] = identity(&bound.identity, tokens.opened(), |slot| {
        within(cell(&cells, slot.at), &slot.path)
    });
    SourceRow {
        key: key(bound, &cells),
        user: text(&cells, bound.user),
        account: bound.account.and_then(|at| text(&cells, at)),
        client: bound.client.and_then(|at| text(&cells, at)),
        cookie: cookie(bound, &cells, provider.as_deref(), is_orphan, &tokens),
        provider,
        is_orphan,
        expires_at,
        expiry,
        created_at: moment(&bound.created),
        renewed_at: moment(&bound.renewed),
        used_at: moment(&bound.used),
        issuer,
        subject,
        sid,
        tokens,
        stored: stored(bound, cells),
    }
}

pub(super) fn key(bound: &Bound, cells: &[Cell]) -> SourceKey {
    if bound.key.is_empty() {
        return SourceKey::of_content(cells);
    }
    SourceKey::new(bound.key.iter().map(|at| cell(cells, *at).clone()).collect())
}

fn stored(bound: &Bound, cells: Vec<Cell>) -> Vec<StoredColumn> {
    let slots = bound.slots.iter().zip(cells);
    slots
        .map(|(slot, cell)| StoredColumn {
            column: slot.column.name.clone(),
            join: slot.join.clone(),
            cell,
        })
        .collect()
}

fn cookie(
    bound: &Bound,
    cells: &[Cell],
    provider: Option<&str>,
    is_orphan: bool,
    tokens: &RowTokens,
) -> Option<Zeroizing<String>> {
    let slot = bound.cookie.as_ref()?;
    let is_used = !is_orphan && tokens.opened().is_some() && slot.covers(provider?);
    text(cells, slot.at).filter(|value| is_used && !value.is_empty()).map(Zeroizing::new)
}

/// Returns the value at a path in a cell's JSON; the cell itself for an empty path.
pub(crate) fn within(stored: &Cell, path: &[String]) -> Cell {
    if path.is_empty() {
        return stored.clone();
    }
    let Some(text) = stored.as_bytes().and_then(raw_json::document) else { return Cell::Null };
    raw_json::cell(raw_json::find(&text, path).ok().flatten())
}

/// Parses JSON, or a JSON string that holds JSON, as some applications store it.
pub(crate) fn json(bytes: &[u8]) -> Option<Value> {
    match serde_json::from_slice(bytes).ok()? {
        Value::String(inner) => serde_json::from_str(&inner).ok(),
        value => Some(value),
    }
}

pub(crate) fn walk<'a>(json: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(json, |value, name| value.get(name))
}

/// Returns the time in a slot, and whether it is stored as a floating-point number.
pub(crate) fn moment(slot: &TimeSlot, cells: &[Cell]) -> (Moment, bool) {
    let value = within(cell(cells, slot.at), &slot.path);
    let is_real = matches!(value, Cell::Real(_));
    if slot.unit != Unit::Relative {
        return (time::moment(&value, slot.unit, slot.zone.as_ref()), is_real);
    }
    let base = slot.bases.iter().find_map(|base| moment(base, cells).0.at());
    (time::relative(&value, base), is_real)
}

fn expiry(bound: &Bound, cells: &[Cell]) -> (Option<session_core::Timestamp>, Expiry) {
    let moments = bound.expires.iter().map(|slot| moment(slot, cells));
    let first = moments.into_iter().find(|(moment, _)| *moment != Moment::Absent);
    match first {
        None | Some((Moment::Absent, _)) => (None, Expiry::Absent),
        Some((Moment::Odd, _)) => (None, Expiry::Odd),
        Some((Moment::At(at), true)) => (Some(at), Expiry::Real),
        Some((Moment::At(at), false)) => (Some(at), Expiry::Known),
    }
}

fn is_oauth1(bound: &Bound, provider: &str) -> bool {
    bound.mapping.oauth1_providers.iter().any(|pattern| is_match(pattern, provider))
}

/// Sets a row of OAuth 1 aside: the secret of its token, sent as a refresh token, would be given
/// away.
const fn oauth1() -> RowTokens {
    RowTokens::Unreadable(Unreadable { place: "tokens", reason: UnreadableReason::OAuth1 })
}

fn tokens(bound: &Bound, cells: &[Cell]) -> RowTokens {
    let opened = match &bound.tokens.response {
        Some(slot) => response(slot, cell(cells, slot.at)),
        None => parts(bound, cells).map(Some),
    };
    match opened {
        Ok(Some(tokens)) if !tokens.is_empty() => RowTokens::Opened(tokens),
        Ok(_) => RowTokens::Absent,
        Err(unreadable) => RowTokens::Unreadable(unreadable),
    }
}

fn response(slot: &TokenSlot, stored: &Cell) -> Result<Option<OpenedTokens>, Unreadable> {
    let failed = |reason| Unreadable { place: slot.name, reason };
    if stored.is_empty() {
        return Ok(None);
    }
    let opened = open(slot, stored)?;
    let not_json = || failed(UnreadableReason::NotJson);
    let inner;
    let text = match raw_json::document(opened.plain()).ok_or_else(not_json)? {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => {
            inner = Zeroizing::new(text);
            inner.as_str()
        }
    };
    let found = raw_json::find(text, &slot.path).map_err(|_| not_json())?;
    let Some(found) = found else { return Ok(None) };
    let fields = raw_json::fields(found).ok_or_else(not_json)?;
    OpenedTokens::from_response(fields, opened.key()).map(Some).map_err(failed)
}

fn open(slot: &TokenSlot, stored: &Cell) -> Result<Opened, Unreadable> {
    let failed = |error| Unreadable { place: slot.name, reason: UnreadableReason::Codec(error) };
    slot.codec.open(stored).map_err(failed)
}

fn parts(bound: &Bound, cells: &[Cell]) -> Result<OpenedTokens, Unreadable> {
    let slots = &bound.tokens;
    let mut keys = Vec::new();
    let mut token = |slot: &Option<TokenSlot>| match slot {
        Some(slot) => one(slot, cell(cells, slot.at), &mut keys),
        None => Ok(None),
    };
    let (access, refresh, id) = (token(&slots.access)?, token(&slots.refresh)?, token(&slots.id)?);
    let token_type = token(&slots.token_type)?.map(|text| text.to_string());
    let plain = |slot: &Option<PathSlot>| {
        let value = slot.as_ref().map(|slot| within(cell(cells, slot.at), &slot.path))?;
        value.as_text().map(Cow::into_owned).filter(|text| !text.is_empty())
    };
    let scope = plain(&slots.scope).and_then(|text| scope_of_text(&text));
    Ok(OpenedTokens { access, refresh, id, scope, token_type, keys, ..OpenedTokens::default() })
}

/// Decrypts a token in a column of its own.
fn one(
    slot: &TokenSlot,
    stored: &Cell,
    keys: &mut Vec<KeyUse>,
) -> Result<Option<Zeroizing<String>>, Unreadable> {
    let failed = |reason| Unreadable { place: slot.name, reason };
    let stored = match slot.path.is_empty() {
        true => stored.clone(),
        false => inner(stored, &slot.path).map_err(failed)?,
    };
    if stored.is_empty() {
        return Ok(None);
    }
    let opened = open(slot, &stored)?;
    keys.push(opened.key());
    let text = std::str::from_utf8(opened.plain());
    let text = text.map_err(|_| failed(UnreadableReason::NotText))?;
    Ok(Some(Zeroizing::new(text.to_owned())).filter(|token| !token.is_empty()))
}

/// Returns the text at a path in a column's JSON.
fn inner(stored: &Cell, path: &[String]) -> Result<Cell, UnreadableReason> {
    if stored.is_empty() {
        return Ok(Cell::Null);
    }
    let json = stored.as_bytes().and_then(json).ok_or(UnreadableReason::NotJson)?;
    match walk(&json, path) {
        None | Some(Value::Null) => Ok(Cell::Null),
        Some(Value::String(text)) => Ok(Cell::Text(text.clone())),
        Some(_) => Err(UnreadableReason::NotAToken),
    }
}

const CLAIMS: [&str; 3] = ["iss", "sub", "sid"];

/// Returns issuer, subject and `sid`.
///
/// The ID token's signature is not verified: the source's application did so when the user signed
/// in, and its database is trusted as much as the tokens in it.
fn identity(
    sources: &[Option<ValueSlot>; 3],
    tokens: Option<&OpenedTokens>,
    value: impl Fn(&PathSlot) -> Cell,
) -> [Option<String>; 3] {
    let userinfo = tokens.and_then(|tokens| tokens.extra().written("userinfo"));
    let payload = tokens.and_then(OpenedTokens::id).and_then(payload);
    let mut found = sources.iter().zip(CLAIMS).map(|(source, claim)| {
        let mapped = match source {
            Some(ValueSlot::Constant(text)) => Some(text.clone()),
            Some(ValueSlot::Column(slot)) => given(&value(slot)),
            None => None,
        };
        let claimed = |claims: Option<&str>| claim_text(claims?, claim);
        mapped.or_else(|| claimed(userinfo)).or_else(|| claimed(payload.as_deref()))
    });
    std::array::from_fn(|_| found.next().flatten())
}

fn given(cell: &Cell) -> Option<String> {
    cell.as_text().map(Cow::into_owned).filter(|text| !text.is_empty())
}

/// Returns a claim as text; some providers write a subject as a number.
fn claim_text(claims: &str, claim: &str) -> Option<String> {
    let found = raw_json::find(claims, &[claim.to_owned()]).ok()??;
    match serde_json::from_str(found.get()).ok()? {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(_) => Some(found.get().to_owned()),
        _ => None,
    }
}

/// Returns the claims of an ID token (RFC 7519, section 7.2), unverified.
fn payload(token: &str) -> Option<String> {
    let encoded = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
    let json = String::from_utf8(json).ok()?;
    raw_json::fields(raw_json::find(&json, &[]).ok()??)?;
    Some(json)
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn a_payload_is_read_without_its_signature() {
        // {"iss":"https://id.example","sub":4711}
        let token = "e30.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJzdWIiOjQ3MTF9.c2ln";
        let claims = payload(token).unwrap();
        assert_eq!(super::claim_text(&claims, "sub").as_deref(), Some("4711"));
        for none in ["", "opaque", "a.b.c", "e30.W10.x"] {
            assert!(payload(none).is_none(), "{none}");
        }
    }
}
