//! A move whose mapped tables were dropped after the cutover, so that only its journal knows it.

use super::manifest::MoveManifest;
use crate::engine::{MoveContext, open_unmapped};
use crate::error::MigrateError;
use crate::journal::{Journal, Phase};
use crate::options::MoveOptions;

/// Opens the only move of this source that is open or finalized and has lost a mapped table; returns
/// `None` if there is none, or if several could be meant.
pub(super) async fn open_gone(
    options: &MoveOptions,
    is_reading: bool,
) -> Result<Option<MoveContext>, MigrateError> {
    let mut context = open_unmapped(options.clone(), is_reading).await?;
    let mut journals = context.journal.all(&context.target).await?;
    journals.retain(|journal| is_meant(&context, journal));
    let [journal] = journals.as_slice() else {
        context.close().await;
        return Ok(None);
    };
    let manifest = MoveManifest::of(journal)?;
    (context.id, context.journal.id) = (journal.id, journal.id);
    context.mappings = manifest.spec.mappings().clone();
    context.adopt(&manifest.spec)?;
    Ok(Some(context))
}

fn is_meant(context: &MoveContext, journal: &Journal) -> bool {
    let Ok(manifest) = MoveManifest::of(journal) else { return false };
    let mappings = manifest.spec.mappings();
    let mut tables = mappings.mapping.iter();
    let is_gone = tables.any(|of| context.schema.table(of.schema.as_deref(), &of.table).is_none());
    matches!(journal.phase, Phase::Open | Phase::Finalized)
        && manifest.source == context.identity
        && is_gone
        && context.options.layout.can_be(mappings)
}
