//! The move that the objects of a capture belong to.

use session_core::SessionId;
use uuid::Uuid;

/// The move that a capture belongs to. The objects of two moves have different names, so that no
/// command on one of them touches those of the other, even if both move the same rows, into two
/// targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureOwner {
    run: SessionId,
    tag: String,
}

impl CaptureOwner {
    /// Creates the owner of this move, as it begins.
    #[must_use]
    pub fn new(run: SessionId) -> Self {
        let random = Uuid::now_v7().simple().to_string();
        Self { run, tag: random.chars().skip(random.len() - 8).collect() }
    }

    /// Creates the owner with the tag that it began with.
    #[must_use]
    pub fn with_tag(run: SessionId, tag: impl Into<String>) -> Self {
        Self { run, tag: tag.into() }
    }

    /// Returns the tag, which is part of every name.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Returns the id of the move.
    #[must_use]
    pub const fn run(&self) -> SessionId {
        self.run
    }
}
