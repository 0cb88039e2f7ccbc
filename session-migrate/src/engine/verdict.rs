//! Which rows of whole pairs the cap prunes, and which pairs are crowded at all.

use session_core::Limit;

use crate::cap::{Candidate, Candidates, Cap, standings};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::source::{Mapping, OverCapPartitions, SourceRow};

/// Pairs with more rows than this may have some that the cap prunes; none if there is no cap.
pub(crate) fn crowd_size(cap: &Cap) -> Option<u32> {
    match cap.uniform() {
        Some(Limit::Unlimited) => None,
        Some(Limit::AtMost { max, .. }) => Some(max.get()),
        // Rules differ from provider to provider, and none has a cap below one.
        _ => Some(1),
    }
}

/// Whether a row is of a crowded pair. Rows without a user or a provider are of none.
pub(crate) fn is_crowded(crowd: &OverCapPartitions, row: &SourceRow) -> bool {
    let pair = row.user.as_deref().zip(row.provider.as_deref());
    pair.is_some_and(|(user, provider)| crowd.contains(user, provider))
}

/// For each row, whether the cap prunes it. The rows are all of their pairs.
pub(crate) fn pruned(
    cap: &Cap,
    mapping: &Mapping,
    rows: &[SourceRow],
) -> Result<Vec<bool>, MigrateError> {
    let candidates = Candidates::new(cap, mapping)
        .map_err(|error| MigrateError::because(MigrateErrorKind::Usage, error.to_string()))?;
    let mut places = Vec::new();
    let mut ranked: Vec<Candidate> = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        if let Some(candidate) = candidates.of(row) {
            places.push(place);
            ranked.push(candidate);
        }
    }
    let mut pruned = vec![false; rows.len()];
    for (place, standing) in places.into_iter().zip(standings(cap, &ranked)) {
        if let Some(is_pruned) = pruned.get_mut(place) {
            *is_pruned = !standing.is_kept();
        }
    }
    Ok(pruned)
}
