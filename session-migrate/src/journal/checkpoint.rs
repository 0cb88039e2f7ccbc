//! The position from which a move goes on, sealed: it holds a source key, which may be a cookie.

use serde::{Deserialize, Serialize};
use session_core::token::{SealContext, Sealed, SealedPart};
use session_core::{Keyring, ProviderName, SessionId, UserId};

use crate::error::{MigrateError, MigrateErrorKind};

/// The user and the provider in the seal of a checkpoint, which has neither.
const CONTEXT: &str = "session-migrate";

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
        let plain = serde_json::to_vec(self).map_err(|_| unsealed())?;
        let sealed = with_context(id, |context| keyring.seal(context, &plain).ok());
        sealed.map(|sealed| sealed.as_bytes().to_vec()).ok_or_else(unsealed)
    }

    /// Opens the checkpoint that a journal holds; returns the beginning if it holds none.
    pub(super) fn open(
        id: SessionId,
        sealed: Option<&[u8]>,
        keyring: &Keyring,
    ) -> Result<Self, MigrateError> {
        let Some(sealed) = sealed else { return Ok(Self::default()) };
        let sealed = Sealed::from_bytes(sealed.to_vec());
        let plain = with_context(id, |context| keyring.open(context, &sealed).ok());
        let checkpoint = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        checkpoint.ok_or_else(|| {
            MigrateError::because(
                MigrateErrorKind::Keys,
                "cannot decrypt the checkpoint: use the SESSION_KEYS that the move was started with",
            )
        })
    }
}

fn unsealed() -> MigrateError {
    MigrateError::because(MigrateErrorKind::Keys, "the checkpoint cannot be sealed")
}

fn with_context<T>(id: SessionId, work: impl FnOnce(SealContext<'_>) -> Option<T>) -> Option<T> {
    let (user, provider) = (UserId::new(CONTEXT).ok()?, ProviderName::new(CONTEXT).ok()?);
    let part = SealedPart::Cursor;
    work(SealContext { session: id, user: &user, provider: &provider, part })
}
