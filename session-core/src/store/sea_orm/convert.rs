//! Converts between values of the contract and columns.

use std::time::Duration;

use sea_orm::Set;
use sea_orm::prelude::Uuid;

use super::attempt_error::AttemptError;
use super::entity::{Octets, event, revocation, session};

use crate::clock::{Timestamp, millis};
use crate::event::{Event, EventKind};
use crate::session::{Actor, InvalidName, ProviderName, SecretDigest, SessionId, UserId};
use crate::store::{
    NewSession, Partition, PendingRevocation, RevocationId, StoreError, StoreErrorKind,
};
use crate::token::Sealed;

/// The maximum length of a text column, in bytes.
const MAX_TEXT: usize = 255;

/// Stored for a value without a key id; no key can have this id.
const NO_KEY_ID: &str = "?";

/// Converts a counter to a column; a larger one becomes the largest.
pub(super) fn signed(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(column: i64, what: &'static str) -> Result<u64, AttemptError> {
    u64::try_from(column).map_err(|_| AttemptError::corrupt(what))
}

pub(super) fn name<T>(name: Result<T, InvalidName>, what: &'static str) -> Result<T, AttemptError> {
    name.map_err(|_| AttemptError::corrupt(what))
}

pub(super) fn bytes32(octets: &Octets, what: &'static str) -> Result<[u8; 32], AttemptError> {
    octets.0.as_slice().try_into().map_err(|_| AttemptError::corrupt(what))
}

pub(super) fn digest(octets: &Octets) -> Result<SecretDigest, AttemptError> {
    bytes32(octets, "a digest").map(SecretDigest::from_bytes)
}

pub(super) fn digest_octets(digest: &SecretDigest) -> Octets {
    Octets(digest.as_bytes().to_vec())
}

pub(super) fn partition_octets(partition: &Partition) -> Octets {
    Octets(partition.as_bytes().to_vec())
}

pub(super) fn sealed_octets(sealed: &Sealed) -> Octets {
    Octets(sealed.as_bytes().to_vec())
}

pub(super) fn term_ms(term: Duration) -> i64 {
    millis(term)
}

pub(super) fn seal_key(sealed: &Sealed) -> String {
    sealed.key_id().unwrap_or(NO_KEY_ID).to_owned()
}

/// Builds the row of a new session, complete but for `admission`, which the admission counts.
///
/// Fails if a text is longer than its column, since databases differ on whether they then cut it,
/// keep it or refuse it.
impl TryFrom<&NewSession> for session::ActiveModel {
    type Error = StoreError;

    fn try_from(new: &NewSession) -> Result<Self, StoreError> {
        let session = &new.session;
        let identity = &session.identity;
        let authentication = &session.authentication;
        let texts = [&identity.issuer, &identity.sid, &identity.account, &authentication.acr];
        check_texts(texts)?;
        let tokens = &new.tokens;
        Ok(Self {
            id: Set(session.id.as_uuid()),
            digest: Set(new.digest.as_ref().map(digest_octets)),
            user_id: Set(session.user.as_str().to_owned()),
            provider: Set(session.provider.as_str().to_owned()),
            partition_key: Set(partition_octets(&new.partition())),
            issuer: Set(identity.issuer.clone()),
            subject: Set(identity.subject.as_ref().map(|subject| subject.as_str().to_owned())),
            sid: Set(identity.sid.clone()),
            account: Set(identity.account.clone()),
            auth_time: Set(authentication.at.map(Timestamp::as_millis)),
            acr: Set(authentication.acr.clone()),
            amr: Set(authentication.methods_text()),
            device: Set(session.device.as_str().to_owned()),
            origin: Set(session.origin.as_str().to_owned()),
            created_at: Set(session.created_at.as_millis()),
            last_seen_at: Set(session.last_seen_at.as_millis()),
            timeouts_from: Set(session.timeouts_from.as_millis()),
            renewed_at: Set(session.renewed_at.map(Timestamp::as_millis)),
            connection_renewed_at: Set(session.connection_renewed_at().map(Timestamp::as_millis)),
            revision: Set(signed(session.revision)),
            ended_at: Set(session.ended.map(|ended| ended.at.as_millis())),
            end_reason: Set(session.ended.map(|ended| ended.reason.as_str().to_owned())),
            sealed_tokens: Set(Some(sealed_octets(&tokens.tokens))),
            sealed_refresh_token: Set(tokens.refresh_token.as_ref().map(sealed_octets)),
            seal_key: Set(Some(seal_key(&tokens.tokens))),
            ..Default::default()
        })
    }
}

/// Fails if a text is longer than its column.
pub(super) fn check_texts(texts: [&Option<String>; 4]) -> Result<(), StoreError> {
    match texts.into_iter().flatten().any(|text| text.len() > MAX_TEXT) {
        true => {
            let error = StoreError::new(StoreErrorKind::Rejected);
            Err(error.caused_by("an issuer, sid, account or acr is longer than 255 bytes"))
        }
        false => Ok(()),
    }
}

/// Builds the row of an event; its id orders events of the same millisecond.
pub(super) fn event_row(event: &Event) -> event::ActiveModel {
    let (kind, detail) = event.kind.as_strs();
    event::ActiveModel {
        id: Set(Uuid::now_v7()),
        session_id: Set(event.session.as_uuid()),
        user_id: Set(event.user.as_str().to_owned()),
        provider: Set(event.provider.as_str().to_owned()),
        kind: Set(kind.to_owned()),
        detail: Set(detail.map(str::to_owned)),
        actor: Set(event.actor.as_ref().map(|actor| actor.as_str().to_owned())),
        at: Set(event.at.as_millis()),
    }
}

pub(super) fn event(row: event::Model) -> Result<Event, AttemptError> {
    let kind = EventKind::parse(&row.kind, row.detail.as_deref());
    Ok(Event {
        session: SessionId::from_uuid(row.session_id),
        user: name(UserId::new(row.user_id), "a user id")?,
        provider: name(ProviderName::new(row.provider), "a provider's name")?,
        kind: kind.ok_or_else(|| AttemptError::corrupt("an event's kind"))?,
        actor: row.actor.map(|actor| name(Actor::new(actor), "an actor")).transpose()?,
        at: Timestamp::from_millis(row.at),
    })
}

pub(super) fn revocation_row(revocation: &PendingRevocation) -> revocation::ActiveModel {
    revocation::ActiveModel {
        id: Set(revocation.id.as_uuid()),
        session_id: Set(revocation.session.as_uuid()),
        user_id: Set(revocation.user.as_str().to_owned()),
        provider: Set(revocation.provider.as_str().to_owned()),
        partition_key: Set(partition_octets(&revocation.partition)),
        sealed_refresh_token: Set(sealed_octets(&revocation.refresh_token)),
        seal_key: Set(Some(seal_key(&revocation.refresh_token))),
        created_at: Set(revocation.created_at.as_millis()),
        due_at: Set(revocation.due_at.as_millis()),
        attempts: Set(i64::from(revocation.attempts)),
    }
}

pub(super) fn revocation(row: revocation::Model) -> Result<PendingRevocation, AttemptError> {
    let partition = bytes32(&row.partition_key, "a partition")?;
    Ok(PendingRevocation {
        id: RevocationId::from_uuid(row.id),
        session: SessionId::from_uuid(row.session_id),
        user: name(UserId::new(row.user_id), "a user id")?,
        provider: name(ProviderName::new(row.provider), "a provider's name")?,
        partition: Partition::from_bytes(partition),
        refresh_token: Sealed::from_bytes(row.sealed_refresh_token.0),
        created_at: Timestamp::from_millis(row.created_at),
        due_at: Timestamp::from_millis(row.due_at),
        attempts: u32::try_from(row.attempts)
            .map_err(|_| AttemptError::corrupt("a count of attempts"))?,
    })
}
