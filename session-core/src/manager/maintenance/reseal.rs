//! Sealing keys: the check at the start, and sealing with the first key (K1).

use super::revocations::open_sealed;
use crate::manager::error::{ManagerError, StartError};
use crate::manager::manager::Inner;
use crate::manager::row;
use crate::session::SessionId;
use crate::store::{PendingRevocation, Reseal, RevocationId, StoreError, StoredSession};
use crate::token::Unreadable;

/// How many rows are read at a time.
const BATCH: u64 = 200;

/// How often everything is gone through while values change.
const MAX_PASSES: u32 = 8;

/// How many of them are written at once: a request that writes to one of these rows, or to any on
/// SQLite, waits for so many.
const WRITE_BATCH: usize = 50;

/// What resealing did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResealReport {
    /// Values that the first key has sealed now.
    pub resealed: usize,
    /// Values that changed meanwhile in the last pass, of eight at most: some may still need another
    /// key. Resealing again takes care of them.
    pub overtaken: usize,
    /// Values that no key opens; they are kept.
    pub unreadable: usize,
}

pub(super) async fn reseal(
    inner: &Inner,
    mut progress: impl FnMut(ResealReport) + Send,
) -> Result<ResealReport, ManagerError> {
    let mut report = ResealReport::default();
    for _ in 0..MAX_PASSES {
        (report.overtaken, report.unreadable) = (0, 0);
        reseal_sessions(inner, &mut report, &mut progress).await?;
        reseal_revocations(inner, &mut report, &mut progress).await?;
        // What changed meanwhile may have kept its old seal, as at a rotation of the secret.
        if report.overtaken == 0 {
            break;
        }
    }
    Ok(report)
}

async fn reseal_sessions(
    inner: &Inner,
    report: &mut ResealReport,
    progress: &mut (impl FnMut(ResealReport) + Send),
) -> Result<(), ManagerError> {
    let key_id = inner.keyring.sealing_key_id();
    let mut after: Option<SessionId> = None;
    loop {
        let rows =
            inner.bounded(inner.store.list_sealed_with_other_key(key_id, after, BATCH)).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.session.id);
        for rows in rows.chunks(WRITE_BATCH) {
            let sealed = reseal_rows(inner, rows)?;
            let opened = sealed.len();
            let resealed = inner.bounded(inner.store.reseal(sealed)).await?;
            report.resealed += resealed;
            report.overtaken += opened.saturating_sub(resealed);
            report.unreadable += rows.len() - opened;
        }
        progress(*report);
    }
}

/// Seals with the first key what any key opens.
fn reseal_rows(inner: &Inner, rows: &[StoredSession]) -> Result<Vec<Reseal>, ManagerError> {
    let opened = rows.iter().filter_map(|row| Some((row, row::open_tokens(inner, row).ok()?)));
    let sealed = opened.map(|(StoredSession { session, .. }, tokens)| {
        let sealed = row::seal_tokens(inner, session, &tokens)?;
        Ok(Reseal::new(session.id, session.revision, sealed))
    });
    sealed.collect()
}

async fn reseal_revocations(
    inner: &Inner,
    report: &mut ResealReport,
    progress: &mut (impl FnMut(ResealReport) + Send),
) -> Result<(), ManagerError> {
    let key_id = inner.keyring.sealing_key_id();
    let mut after: Option<RevocationId> = None;
    loop {
        let page = inner.store.list_revocations_sealed_with_other_key(key_id, after, BATCH);
        let page = inner.bounded(page).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for revocation in &page {
            match reseal_revocation(inner, revocation).await? {
                true => report.resealed += 1,
                false => report.unreadable += 1,
            }
        }
        progress(*report);
    }
}

/// Returns whether any key opens it.
async fn reseal_revocation(
    inner: &Inner,
    revocation: &PendingRevocation,
) -> Result<bool, ManagerError> {
    let Ok((context, plain)) = open_sealed(inner, revocation) else { return Ok(false) };
    let sealed = inner.keyring.seal(context, &plain)?;
    inner.bounded(inner.store.reseal_revocation(revocation.id, sealed)).await?;
    Ok(true)
}

/// Checks that the keys open one stored session per key id (store law 10, F35).
pub(in crate::manager) async fn check_keys(inner: &Inner) -> Result<(), StartError> {
    for row in inner.bounded(inner.store.sample_per_key()).await? {
        let key_id = key_id(&row).unwrap_or_default().to_owned();
        match row::open_tokens(inner, &row) {
            Ok(_) => {}
            Err(Unreadable::UnknownKey) => {
                tracing::warn!(key_id, "stored sessions need a sealing key that is not configured");
            }
            // One altered row does not prove a wrong key, unless no other row opens either.
            Err(source) if another_opens(inner, &key_id, row.session.id).await? => {
                tracing::error!(key_id, %source, session = %row.session.id, "a stored session was altered");
            }
            Err(source) => return Err(StartError::WrongKey { key_id, source }),
        }
    }
    Ok(())
}

/// Returns whether another session that was sealed under this key id opens; looks at one batch.
async fn another_opens(inner: &Inner, key_id: &str, except: SessionId) -> Result<bool, StoreError> {
    // No key has an empty id, so this lists what any key has sealed. A sample is the first row of
    // its key, so the others come after it.
    let rows =
        inner.bounded(inner.store.list_sealed_with_other_key("", Some(except), BATCH)).await?;
    let has_key = |row: &&StoredSession| self::key_id(row) == Some(key_id);
    Ok(rows.iter().filter(has_key).any(|row| row::open_tokens(inner, row).is_ok()))
}

fn key_id(row: &StoredSession) -> Option<&str> {
    row.tokens.as_ref().and_then(|sealed| sealed.tokens.key_id())
}
