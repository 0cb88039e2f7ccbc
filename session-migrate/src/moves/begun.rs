//! What a move notes of itself when it begins.

use serde::{Deserialize, Serialize};

use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::Journal;
use crate::options::Words;

/// Noted once, and held against what a later process is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// What decides where each row comes to lie.
    pub(super) words: Words,
    /// Whether the target's tables were not there before: then a rollback takes them away again.
    pub(super) made_tables: bool,
    /// Whether the rows are written before the indexes are made.
    #[serde(default)]
    pub(super) is_bare: bool,
    /// The copy of a SQLite file that was made first.
    pub(super) backup: Option<String>,
}

impl Begun {
    pub(super) fn of(journal: &Journal) -> Result<Self, MigrateError> {
        serde_json::from_str(&journal.options).map_err(|error| {
            let kind = MigrateErrorKind::Phase;
            MigrateError::because(kind, "another version of this program began the move")
                .caused_by(error)
        })
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Refuses to go on with a move in other words than it was begun with.
    pub(super) fn require(&self, words: &Words) -> Result<(), MigrateError> {
        match self.words == *words {
            true => Ok(()),
            false => Err(MigrateError::because(
                MigrateErrorKind::Usage,
                "this move was begun with another mapping, cap or mode; give the same, or roll it back",
            )),
        }
    }
}
