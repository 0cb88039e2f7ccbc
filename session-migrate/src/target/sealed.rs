//! Rows of the target, sealed and ready to be written.

use sea_orm_migration::sea_orm::Value;
use session_core::store::Partition;
use session_core::token::{SealContext, Sealed, SealedPart, SealedTokens};
use session_core::{Keyring, ProviderName, SessionId, Timestamp, UserId};
use zeroize::Zeroizing;

use super::arrival::{Arrival, Fate, LiveRow, Reason};
use super::stored;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::source::SourceRow;

/// What the seals of rows that are set aside name in the place of a user and a provider: their own
/// may be none.
const NOBODY: &str = "set aside";

/// A row that is ready to be written.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) id: SessionId,
    pub(crate) content: Content,
}

/// Where it is written.
#[derive(Debug)]
pub(crate) enum Content {
    Live(Box<LiveRow>, SealedTokens),
    Aside { reason: Reason, user: Option<String>, provider: Option<String>, sealed: Vec<u8> },
}

/// Seals what arrives; nothing for a row without tokens.
pub(crate) fn ready(
    row: &SourceRow,
    arrival: Arrival,
    keyring: &Keyring,
) -> Result<Option<Ready>, MigrateError> {
    let Arrival { id, fate } = arrival;
    let content = match fate {
        Fate::Empty => return Ok(None),
        Fate::Live(live) => {
            let sealed = seal(&live, keyring)?;
            Content::Live(live, sealed)
        }
        Fate::Aside(reason) => {
            let sealed = seal_aside(id, row, keyring)?;
            let name = |text: &Option<String>| text.clone().filter(|it| UserId::new(it).is_ok());
            let (user, provider) = (name(&row.user), name(&row.provider));
            Content::Aside { reason, user, provider, sealed }
        }
    };
    Ok(Some(Ready { id, content }))
}

fn seal(live: &LiveRow, keyring: &Keyring) -> Result<SealedTokens, MigrateError> {
    let session = &live.session;
    let sealed = live.tokens.seal(keyring, session.id, &session.user, &session.provider);
    sealed.map_err(unsealed)
}

fn unsealed(error: session_core::token::SealError) -> MigrateError {
    MigrateError::new(MigrateErrorKind::Keys).caused_by(error)
}

fn seal_aside(id: SessionId, row: &SourceRow, keyring: &Keyring) -> Result<Vec<u8>, MigrateError> {
    let nameless = || MigrateError::new(MigrateErrorKind::Keys);
    let plain = stored::to_bytes(&row.stored).ok_or_else(nameless)?;
    let sealed = of_aside(id, |context| keyring.seal(context, &plain)).ok_or_else(nameless)?;
    Ok(sealed.map_err(unsealed)?.as_bytes().to_vec())
}

fn of_aside<T>(id: SessionId, work: impl FnOnce(SealContext<'_>) -> T) -> Option<T> {
    let (user, provider) = (UserId::new(NOBODY).ok()?, ProviderName::new(NOBODY).ok()?);
    let part = SealedPart::SourceRow;
    Some(work(SealContext { session: id, user: &user, provider: &provider, part }))
}

fn open_aside(id: SessionId, sealed: &[u8], keyring: &Keyring) -> Option<Zeroizing<Vec<u8>>> {
    let sealed = Sealed::from_bytes(sealed.to_vec());
    of_aside(id, |context| keyring.open(context, &sealed).ok())?
}

/// Whether what was set aside is the source's row as it is now.
pub(crate) fn is_set_aside(
    id: SessionId,
    sealed: &[u8],
    row: &SourceRow,
    keyring: &Keyring,
) -> bool {
    let there = open_aside(id, sealed, keyring);
    there.is_some_and(|there| stored::to_bytes(&row.stored).is_some_and(|row| *row == *there))
}

/// Whether two seals of a row that is set aside hold the same.
pub(crate) fn is_one_aside(id: SessionId, one: &[u8], other: &[u8], keyring: &Keyring) -> bool {
    let opened = |sealed| open_aside(id, sealed, keyring);
    opened(one).zip(opened(other)).is_some_and(|(one, other)| *one == *other)
}

/// The columns of `login_session` that differ from row to row.
pub(crate) const LIVE_COLUMNS: [&str; 16] = [
    "id",
    "digest",
    "user_id",
    "provider",
    "partition_key",
    "admission",
    "issuer",
    "subject",
    "sid",
    "account",
    "created_at",
    "last_seen_at",
    "timeouts_from",
    "renewed_at",
    "sealed_tokens",
    "sealed_refresh_token",
];

/// The values of [`LIVE_COLUMNS`].
pub(crate) fn live_values(live: &LiveRow, sealed: &SealedTokens) -> Vec<Value> {
    let session = &live.session;
    let identity = &session.identity;
    let text = |text: Option<&str>| Value::String(text.map(str::to_owned));
    let bytes = |bytes: Option<&[u8]>| Value::Bytes(bytes.map(<[u8]>::to_vec));
    let at = |moment: Timestamp| Value::BigInt(Some(moment.as_millis()));
    let cap_subject = identity.cap_subject();
    let partition = Partition::of(&session.user, &session.provider, cap_subject.as_ref());
    vec![
        Value::Uuid(Some(session.id.as_uuid())),
        bytes(live.digest.as_ref().map(|digest| digest.as_bytes().as_slice())),
        text(Some(session.user.as_str())),
        text(Some(session.provider.as_str())),
        bytes(Some(partition.as_bytes())),
        Value::BigInt(Some(live.admission)),
        text(identity.issuer.as_deref()),
        text(identity.subject.as_ref().map(session_core::session::Subject::as_str)),
        text(identity.sid.as_deref()),
        text(identity.account.as_deref()),
        at(session.created_at),
        at(session.last_seen_at),
        at(session.timeouts_from),
        Value::BigInt(session.renewed_at.map(Timestamp::as_millis)),
        bytes(Some(sealed.tokens.as_bytes())),
        bytes(sealed.refresh_token.as_ref().map(|sealed| sealed.as_bytes())),
    ]
}
