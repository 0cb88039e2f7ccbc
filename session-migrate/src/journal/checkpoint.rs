//! The position from which a move goes on.

use serde::{Deserialize, Serialize};
use session_core::{Keyring, SessionId};

use super::sealed;
use crate::error::{MigrateError, MigrateErrorKind};

/// How far the reading of the source is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The number of the mapping; past the last one, the phase is done.
    pub(crate) mapping: usize,
    /// The cursor after the last row or partition that was read.
    pub(crate) after: Option<String>,
}

impl Checkpoint {
    /// Returns the position after `cursor`, or the beginning of the next mapping if there is none.
    pub(crate) fn after(mapping: usize, cursor: Option<String>) -> Self {
        match cursor {
            Some(_) => Self { mapping, after: cursor },
            None => Self { mapping: mapping + 1, after: None },
        }
    }

    pub(super) fn seal(&self, id: SessionId, keyring: &Keyring) -> Result<Vec<u8>, MigrateError> {
        sealed::seal(id, keyring, self).ok_or_else(|| {
            MigrateError::because(MigrateErrorKind::Keys, "the checkpoint cannot be sealed")
        })
    }

    /// Opens the checkpoint that a journal holds; returns the beginning if it holds none.
    pub(super) fn open(
        id: SessionId,
        sealed: Option<&[u8]>,
        keyring: &Keyring,
    ) -> Result<Self, MigrateError> {
        let Some(sealed) = sealed else { return Ok(Self::default()) };
        sealed::open(id, keyring, sealed).ok_or_else(|| {
            MigrateError::because(
                MigrateErrorKind::Keys,
                "cannot decrypt the checkpoint: use the SESSION_KEYS that the move was started with",
            )
        })
    }
}
