//! Seals planned rows, so that they can be written.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use session_core::token::{SealContext, Sealed, SealedPart, SealedTokens};
use session_core::{Keyring, ProviderName, SessionId, UserId};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::row_plan::{Disposition, LiveRow, RowPlan};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::source::SourceRow;
use crate::source::row::StoredColumn;
use crate::sql::Cell;

/// The user and the provider in the seal of a quarantined row, which may have neither.
const QUARANTINE: &str = "set aside";

/// The version of the stored form of a quarantined row.
const VERSION: u32 = 1;

/// A planned row with its secrets sealed, ready to be written.
#[derive(Debug)]
pub(crate) struct SealedRow {
    pub(crate) id: SessionId,
    pub(crate) disposition: Disposition,
    /// The sealed tokens; for a quarantined row, the whole row as it was stored.
    pub(crate) sealed: SealedTokens,
}

/// Seals a planned row; returns `None` for a row without tokens.
pub(crate) fn seal(
    row: &SourceRow,
    plan: RowPlan,
    keyring: &Keyring,
) -> Result<Option<SealedRow>, MigrateError> {
    let RowPlan { id, disposition } = plan;
    let Some(disposition) = disposition else { return Ok(None) };
    let sealed = match &disposition {
        Disposition::Live(live) => seal_tokens(live, keyring)?,
        Disposition::Quarantine(_) => seal_stored(id, row, keyring)?,
    };
    Ok(Some(SealedRow { id, disposition, sealed }))
}

fn seal_tokens(live: &LiveRow, keyring: &Keyring) -> Result<SealedTokens, MigrateError> {
    let session = &live.session;
    let sealed = live.tokens.seal(keyring, session.id, &session.user, &session.provider);
    sealed.map_err(unsealed)
}

/// Seals a row as it is stored in the source.
pub(crate) fn seal_stored(
    id: SessionId,
    row: &SourceRow,
    keyring: &Keyring,
) -> Result<SealedTokens, MigrateError> {
    let failed = || MigrateError::new(MigrateErrorKind::Keys);
    let plain = stored_bytes(&row.stored).ok_or_else(failed)?;
    let sealed = with_context(id, |context| keyring.seal(context, &plain)).ok_or_else(failed)?;
    Ok(SealedTokens { tokens: sealed.map_err(unsealed)?, refresh_token: None })
}

fn unsealed(error: session_core::token::SealError) -> MigrateError {
    MigrateError::new(MigrateErrorKind::Keys).caused_by(error)
}

fn with_context<T>(id: SessionId, work: impl FnOnce(SealContext<'_>) -> T) -> Option<T> {
    let (user, provider) = (UserId::new(QUARANTINE).ok()?, ProviderName::new(QUARANTINE).ok()?);
    let part = SealedPart::SourceRow;
    Some(work(SealContext { session: id, user: &user, provider: &provider, part }))
}

fn open_stored(id: SessionId, sealed: &Sealed, keyring: &Keyring) -> Option<Zeroizing<Vec<u8>>> {
    with_context(id, |context| keyring.open(context, sealed).ok())?
}

/// Returns whether the quarantined row is the source row as it is stored now.
pub(crate) fn is_quarantined_as(
    id: SessionId,
    sealed: &Sealed,
    row: &SourceRow,
    keyring: &Keyring,
) -> bool {
    let existing = open_stored(id, sealed, keyring);
    existing.is_some_and(|existing| stored_bytes(&row.stored).is_some_and(|row| *row == *existing))
}

/// Returns whether two seals of a quarantined row hold the same bytes.
pub(crate) fn is_same_quarantined(
    id: SessionId,
    one: &Sealed,
    other: &Sealed,
    keyring: &Keyring,
) -> bool {
    let opened = |sealed| open_stored(id, sealed, keyring);
    opened(one).zip(opened(other)).is_some_and(|(one, other)| *one == *other)
}

/// Returns a digest of a row as it is stored in the source.
pub(crate) fn stored_digest(row: &SourceRow) -> Option<String> {
    stored_bytes(&row.stored).map(|bytes| hex(&Sha256::digest(bytes.as_slice())))
}

#[derive(Serialize, Deserialize)]
struct StoredRow {
    version: u32,
    columns: Vec<StoredCell>,
}

#[derive(Serialize, Deserialize)]
struct StoredCell {
    column: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    join: Option<String>,
    #[serde(flatten)]
    value: StoredValue,
}

/// A cell's value with its storage class.
#[derive(Serialize, Deserialize)]
#[serde(tag = "class", content = "value", rename_all = "snake_case")]
enum StoredValue {
    Null,
    Integer(i64),
    /// The bits of the number: its text would lose precision.
    Real(u64),
    Text(String),
    /// Hexadecimal.
    Blob(String),
    MalformedText(String),
}

/// Returns the row's columns with their storage classes, as bytes that can be sealed.
fn stored_bytes(row: &[StoredColumn]) -> Option<Zeroizing<Vec<u8>>> {
    let column = |stored: &StoredColumn| StoredCell {
        column: stored.column.clone(),
        join: stored.join.clone(),
        value: stored_value(&stored.cell),
    };
    let stored = StoredRow { version: VERSION, columns: row.iter().map(column).collect() };
    serde_json::to_vec(&stored).ok().map(Zeroizing::new)
}

fn stored_value(cell: &Cell) -> StoredValue {
    match cell {
        Cell::Null => StoredValue::Null,
        Cell::Integer(number) => StoredValue::Integer(*number),
        Cell::Real(number) => StoredValue::Real(number.to_bits()),
        Cell::Text(text) => StoredValue::Text(text.clone()),
        Cell::Bytes(bytes) => StoredValue::Blob(hex(bytes)),
        Cell::MalformedText(bytes) => StoredValue::MalformedText(hex(bytes)),
    }
}

/// Returns bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
