//! Proves that a call on a move that was begun has the keys of that move: the one place that does.

use std::collections::BTreeSet;

use crate::engine::{MappedTable, MoveContext};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Journal, KeyProof};
use crate::source::SourceRow;
use crate::target::stored_digest;

/// How many of the first rows of each table are looked at.
const SAMPLE: u32 = 200;

/// Returns what later calls are held to.
pub(super) async fn key_proof(context: &MoveContext) -> Result<KeyProof, MigrateError> {
    let mut opened = BTreeSet::new();
    for table in &context.tables {
        let rows = sample(context, table).await?;
        let readable = rows.iter().filter(|row| row.tokens.opened().is_some());
        opened.extend(readable.filter_map(stored_digest));
    }
    Ok(KeyProof { keys: context.key_prints.clone(), opened })
}

/// Proves both sets of keys. Nothing may be written, or dropped, before.
///
/// # Errors
///
/// Returns an error of the kind `Keys` for the target's keys, and of the kind `SourceKeys` for the
/// source's, also if a row does not open that did when the move began and is stored as it was.
pub(super) async fn prove_keys(
    context: &MoveContext,
    journal: &Journal,
) -> Result<(), MigrateError> {
    let keyring = context.keyring()?;
    let proof = KeyProof::open(context.id, journal.sealed_keys.as_deref(), keyring)?;
    if !proof.keys.are_among(&context.key_prints) {
        return Err(other_keys("give the same ones"));
    }
    for table in &context.tables {
        for row in sample(context, table).await? {
            let is_noted = || stored_digest(&row).is_some_and(|of| proof.opened.contains(&of));
            if row.tokens.opened().is_none() && is_noted() {
                return Err(other_keys("a row that opened then does not open now"));
            }
        }
    }
    Ok(())
}

fn other_keys(detail: &str) -> MigrateError {
    let names = "SESSION_MIGRATE_SOURCE_KEY and SESSION_MIGRATE_SOURCE_OLD_KEYS";
    MigrateError::because(MigrateErrorKind::SourceKeys, format!("{detail} ({names})"))
}

async fn sample(
    context: &MoveContext,
    table: &MappedTable,
) -> Result<Vec<SourceRow>, MigrateError> {
    Ok(table.source.batch(&context.source, None, SAMPLE).await?.0)
}
