//! What a move notes of its keys when it begins, so that every later call proves that it has them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use session_core::{Keyring, SessionId};

use super::sealed;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::source::KeyPrints;

/// Sealed with the target's keys, so that opening it proves those; what it holds proves the
/// source's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyProof {
    /// Digests of the source's keys.
    pub(crate) keys: KeyPrints,
    /// Digests of some rows of the source that opened, as they were stored.
    pub(crate) opened: BTreeSet<String>,
}

impl KeyProof {
    pub(crate) fn seal(&self, id: SessionId, keyring: &Keyring) -> Result<Vec<u8>, MigrateError> {
        sealed::seal(id, keyring, self).ok_or_else(|| {
            MigrateError::because(MigrateErrorKind::Keys, "the check value cannot be sealed")
        })
    }

    /// Opens the proof that a journal holds.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Keys` if none of these keys opens it.
    pub(crate) fn open(
        id: SessionId,
        sealed: Option<&[u8]>,
        keyring: &Keyring,
    ) -> Result<Self, MigrateError> {
        sealed.and_then(|sealed| sealed::open(id, keyring, sealed)).ok_or_else(|| {
            MigrateError::because(
                MigrateErrorKind::Keys,
                "they are not those that the move was begun with: give the same SESSION_KEYS",
            )
        })
    }
}
