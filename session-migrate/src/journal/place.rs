//! A place in the source, sealed: it holds a key, which may be a cookie.

use session_core::token::{SealContext, Sealed, SealedPart};
use session_core::{Keyring, ProviderName, SessionId, UserId};

use super::model::Place;
use crate::error::{MigrateError, MigrateErrorKind};

const SELF: &str = "session-migrate";

fn failed() -> MigrateError {
    MigrateError::because(MigrateErrorKind::Keys, "the place in the source cannot be sealed")
}

fn with_context<T>(id: SessionId, work: impl FnOnce(SealContext<'_>) -> Option<T>) -> Option<T> {
    let (user, provider) = (UserId::new(SELF).ok()?, ProviderName::new(SELF).ok()?);
    let part = SealedPart::Cursor;
    work(SealContext { session: id, user: &user, provider: &provider, part })
}

impl Place {
    pub(super) fn seal(&self, id: SessionId, keyring: &Keyring) -> Result<Vec<u8>, MigrateError> {
        let plain = serde_json::to_vec(self).map_err(|_| failed())?;
        let sealed = with_context(id, |context| keyring.seal(context, &plain).ok());
        sealed.map(|sealed| sealed.as_bytes().to_vec()).ok_or_else(failed)
    }

    /// The place that a journal holds; the beginning where it holds none.
    pub(super) fn open(
        id: SessionId,
        sealed: Option<&[u8]>,
        keyring: &Keyring,
    ) -> Result<Self, MigrateError> {
        let Some(sealed) = sealed else { return Ok(Self::default()) };
        let sealed = Sealed::from_bytes(sealed.to_vec());
        let plain = with_context(id, |context| keyring.open(context, &sealed).ok());
        let place = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        place.ok_or_else(|| {
            MigrateError::because(
                MigrateErrorKind::Keys,
                "they do not open the place that this move has come to: give the keys it was begun with",
            )
        })
    }
}
