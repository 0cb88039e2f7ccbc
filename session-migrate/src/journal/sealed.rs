//! Seals what a journal and a failback keep of keys and positions: a position holds a key of the
//! source, which may be a cookie.

use serde::Serialize;
use serde::de::DeserializeOwned;
use session_core::token::{SealContext, Sealed, SealedPart};
use session_core::{Keyring, ProviderName, SessionId, UserId};

/// The user and the provider in the seal, which has neither.
const CONTEXT: &str = "session-migrate";

/// Seals a value of this move or session; `None` if it cannot be sealed.
pub(crate) fn seal(id: SessionId, keyring: &Keyring, value: &impl Serialize) -> Option<Vec<u8>> {
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(value).ok()?);
    let sealed = with_context(id, |context| keyring.seal(context, &plain).ok())?;
    Some(sealed.as_bytes().to_vec())
}

/// Opens a value of this move or session; `None` if no key opens it.
pub(crate) fn open<T: DeserializeOwned>(
    id: SessionId,
    keyring: &Keyring,
    sealed: &[u8],
) -> Option<T> {
    let sealed = Sealed::from_bytes(sealed.to_vec());
    let plain = with_context(id, |context| keyring.open(context, &sealed).ok())?;
    serde_json::from_slice(&plain).ok()
}

fn with_context<T>(id: SessionId, work: impl FnOnce(SealContext<'_>) -> Option<T>) -> Option<T> {
    let (user, provider) = (UserId::new(CONTEXT).ok()?, ProviderName::new(CONTEXT).ok()?);
    let part = SealedPart::Cursor;
    work(SealContext { session: id, user: &user, provider: &provider, part })
}
