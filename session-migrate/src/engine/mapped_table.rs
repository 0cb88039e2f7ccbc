//! A mapped table of the source, with all that a move knows about it.

use std::sync::Arc;

use session_core::policy::Limit;
use session_core::{SessionId, Timestamp};

use crate::cap::{Candidate, CandidateReader, Cap, MissingMoment, rank};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::source::{Mapping, NewestBy, SourceIdentity, SourceKey, SourceRow, SourceTable};
use crate::target::RowPlanner;

/// A source table with its mapping, its number and the planner of its rows.
#[derive(Debug)]
pub(crate) struct MappedTable {
    /// The position among the mappings, which names the table's triggers and its checkpoints.
    pub(crate) number: usize,
    pub(crate) source: Arc<SourceTable>,
    planner: RowPlanner,
}

impl MappedTable {
    /// Creates the table with this number among the mappings, whose rows are ranked by `cap`.
    pub(crate) fn new(
        number: usize,
        source: SourceTable,
        identity: &SourceIdentity,
        cap: &Cap,
    ) -> Result<Self, MigrateError> {
        let newest_by = newest_by(source.mapping(), cap)?;
        let planner = RowPlanner::new(identity, source.mapping().name(), newest_by);
        Ok(Self { number, source: Arc::new(source), planner })
    }

    /// Ranks the table's rows by another cap.
    pub(crate) fn set_cap(&mut self, cap: &Cap) -> Result<(), MigrateError> {
        self.planner = self.planner.ordered_by(newest_by(self.source.mapping(), cap)?);
        Ok(())
    }

    /// Returns the mapping.
    pub(crate) fn mapping(&self) -> &Mapping {
        self.source.mapping()
    }

    /// Returns the planner of the rows.
    pub(crate) const fn planner(&self) -> &RowPlanner {
        &self.planner
    }

    /// Returns the planner of rows that are moved at this time.
    pub(crate) fn planner_at(&self, now: Timestamp) -> RowPlanner {
        self.planner.at(now)
    }

    /// Returns the id that the row with this key has in the target.
    pub(crate) fn id(&self, key: &SourceKey) -> SessionId {
        self.planner.id(key)
    }

    /// Adds to each row whether the cap prunes it. The rows must be all rows of their users and
    /// providers.
    pub(crate) fn judge(
        &self,
        cap: &Cap,
        rows: Vec<SourceRow>,
    ) -> Result<Vec<(SourceRow, bool)>, MigrateError> {
        if over_cap_threshold(cap).is_none() {
            return Ok(rows.into_iter().map(|row| (row, false)).collect());
        }
        let reader = CandidateReader::new(cap, self.mapping()).map_err(missing_moment)?;
        let candidates: Vec<Option<Candidate>> =
            rows.iter().map(|row| reader.candidate(row)).collect();
        let counts: Vec<bool> = candidates.iter().map(Option::is_some).collect();
        let counted: Vec<Candidate> = candidates.into_iter().flatten().collect();
        // There is one rank for each row that counts, in the order of the rows.
        let mut ranks = rank(cap, &counted).into_iter();
        let judged = rows.into_iter().zip(counts).map(|(row, counts)| {
            let is_pruned = counts && ranks.next().is_some_and(|rank| !rank.is_kept());
            (row, is_pruned)
        });
        Ok(judged.collect())
    }
}

fn newest_by(mapping: &Mapping, cap: &Cap) -> Result<Option<NewestBy>, MigrateError> {
    cap.moment(mapping).map_err(missing_moment)
}

fn missing_moment(error: MissingMoment) -> MigrateError {
    MigrateError::because(MigrateErrorKind::Usage, error.to_string())
}

/// Returns the number of rows above which a user and provider may have rows that the cap prunes;
/// `None` without a cap.
pub(crate) fn over_cap_threshold(cap: &Cap) -> Option<u32> {
    match cap.uniform() {
        Some(Limit::Unlimited) => None,
        Some(Limit::AtMost { max, .. }) => Some(max.get()),
        // The limits differ from provider to provider, and none is below one.
        _ => Some(1),
    }
}
