//! What a failback notes of itself: how far it has come, and what it has written into the source.

use serde::{Deserialize, Serialize};

/// How far the failback of a move has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FailbackCounts {
    /// The time of the last change in the target that the source has, in milliseconds since the Unix
    /// epoch.
    pub until: i64,
    /// Rows of the source into which renewed tokens were written.
    pub written_back: u64,
    /// Sessions that began in the target and became rows of the source.
    pub added: u64,
    /// Rows of the source whose session has ended in the target; they were removed, or their tokens
    /// were.
    pub ended: u64,
    /// Changes that the source could not take.
    pub skipped: u64,
}
