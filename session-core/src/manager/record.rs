//! Records that a browser keeps for a while, sealed with the manager's keys.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::manager::Inner;
use crate::session::{ProviderName, SessionId, UserId};
use crate::token::{SealContext, SealError, Sealed, SealedPart, Unreadable};

pub(crate) fn seal_record(inner: &Inner, record: &[u8]) -> Result<Sealed, SealError> {
    let (user, provider) = owner().ok_or(SealError)?;
    inner.keyring.seal(context(&user, &provider), record)
}

pub(crate) fn open_record(
    inner: &Inner,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let (user, provider) = owner().ok_or(Unreadable::Tampered)?;
    inner.keyring.open(context(&user, &provider), sealed)
}

/// A record belongs to no session, user or provider yet.
fn owner() -> Option<(UserId, ProviderName)> {
    Some((UserId::new("-").ok()?, ProviderName::new("-").ok()?))
}

const fn context<'a>(user: &'a UserId, provider: &'a ProviderName) -> SealContext<'a> {
    let session = SessionId::from_uuid(Uuid::nil());
    SealContext { session, user, provider, part: SealedPart::BrowserRecord }
}
