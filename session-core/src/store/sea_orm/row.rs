//! What is read of a row: no more columns than a question needs.

use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::{DbErr, EntityTrait, FromQueryResult, QueryResult, QuerySelect, Select};

use super::convert::{bytes32, digest, name, unsigned};
use super::entity::{Octets, session};
use super::failure::{Failure, corrupt};
use crate::clock::Timestamp;
use crate::policy::Occupant;
use crate::session::{
    DeviceLabel, EndReason, Ended, Origin, ProviderIdentity, ProviderName, Session, SessionId,
    Subject, UserId,
};
use crate::store::{Digests, EndedSession, Lease, LeaseOwner, PreviousDigest, StoredSession};
use crate::token::{Sealed, SealedTokens};
use session::Column;

/// The columns of a [`Session`], and its place in the order of admission.
#[derive(Debug, FromQueryResult)]
pub(super) struct SessionRow {
    id: Uuid,
    user_id: String,
    provider: String,
    pub(super) partition_key: Octets,
    pub(super) admission: i64,
    issuer: Option<String>,
    subject: Option<String>,
    sid: Option<String>,
    account: Option<String>,
    device: String,
    origin: String,
    pub(super) created_at: i64,
    last_seen_at: i64,
    timeouts_from: i64,
    renewed_at: Option<i64>,
    revision: i64,
    ended_at: Option<i64>,
    end_reason: Option<String>,
}

impl SessionRow {
    const COLUMNS: [Column; 18] = [
        Column::Id,
        Column::UserId,
        Column::Provider,
        Column::PartitionKey,
        Column::Admission,
        Column::Issuer,
        Column::Subject,
        Column::Sid,
        Column::Account,
        Column::Device,
        Column::Origin,
        Column::CreatedAt,
        Column::LastSeenAt,
        Column::TimeoutsFrom,
        Column::RenewedAt,
        Column::Revision,
        Column::EndedAt,
        Column::EndReason,
    ];

    /// A question for these columns.
    pub(super) fn select() -> Select<session::Entity> {
        session::Entity::find().select_only().columns(Self::COLUMNS)
    }
}

impl TryFrom<SessionRow> for Session {
    type Error = Failure;

    fn try_from(row: SessionRow) -> Result<Self, Failure> {
        let subject = row.subject.map(|subject| name(Subject::new(subject), "a subject"));
        Ok(Self {
            id: SessionId::from_uuid(row.id),
            user: name(UserId::new(row.user_id), "a user id")?,
            provider: name(ProviderName::new(row.provider), "a provider's name")?,
            identity: ProviderIdentity {
                issuer: row.issuer,
                subject: subject.transpose()?,
                sid: row.sid,
                account: row.account,
            },
            device: DeviceLabel::new(&row.device),
            origin: Origin::parse(&row.origin).ok_or_else(|| corrupt("an origin"))?,
            created_at: Timestamp::from_millis(row.created_at),
            last_seen_at: Timestamp::from_millis(row.last_seen_at),
            timeouts_from: Timestamp::from_millis(row.timeouts_from),
            renewed_at: row.renewed_at.map(Timestamp::from_millis),
            revision: unsigned(row.revision, "a revision")?,
            ended: ended(row.ended_at, row.end_reason.as_deref())?,
        })
    }
}

fn ended(at: Option<i64>, reason: Option<&str>) -> Result<Option<Ended>, Failure> {
    match (at, reason) {
        (None, None) => Ok(None),
        (Some(at), Some(reason)) => {
            let reason = EndReason::parse(reason).ok_or_else(|| corrupt("an end's reason"))?;
            Ok(Some(Ended { at: Timestamp::from_millis(at), reason }))
        }
        _ => Err(corrupt("an end")),
    }
}

/// The columns of [`Digests`].
#[derive(Debug, FromQueryResult)]
struct DigestRow {
    digest: Option<Octets>,
    previous_digest: Option<Octets>,
    rotated_at: Option<i64>,
    confirmed_at: Option<i64>,
}

impl TryFrom<DigestRow> for Digests {
    type Error = Failure;

    fn try_from(row: DigestRow) -> Result<Self, Failure> {
        let previous = match (row.previous_digest, row.rotated_at) {
            (Some(previous), Some(rotated_at)) => Some(PreviousDigest {
                digest: digest(&previous)?,
                rotated_at: Timestamp::from_millis(rotated_at),
                confirmed_at: row.confirmed_at.map(Timestamp::from_millis),
            }),
            (None, _) => None,
            (Some(_), None) => return Err(corrupt("a rotation")),
        };
        Ok(Self { current: row.digest.as_ref().map(digest).transpose()?, previous })
    }
}

/// The other columns of a [`StoredSession`].
#[derive(Debug, FromQueryResult)]
struct SealedRow {
    sealed_tokens: Option<Octets>,
    sealed_refresh_token: Option<Octets>,
    lease_owner: Option<Uuid>,
    lease_beat: Option<i64>,
    lease_term_ms: Option<i64>,
}

/// All columns of a session.
#[derive(Debug)]
pub(super) struct StoredRow {
    session: SessionRow,
    digests: DigestRow,
    sealed: SealedRow,
}

impl FromQueryResult for StoredRow {
    fn from_query_result(row: &QueryResult, pre: &str) -> Result<Self, DbErr> {
        Ok(Self {
            session: SessionRow::from_query_result(row, pre)?,
            digests: DigestRow::from_query_result(row, pre)?,
            sealed: SealedRow::from_query_result(row, pre)?,
        })
    }
}

impl TryFrom<StoredRow> for StoredSession {
    type Error = Failure;

    fn try_from(row: StoredRow) -> Result<Self, Failure> {
        let sealed = row.sealed;
        let lease = match (sealed.lease_owner, sealed.lease_beat, sealed.lease_term_ms) {
            (Some(owner), Some(beat), Some(term)) => Some(Lease {
                owner: LeaseOwner::from_uuid(owner),
                beat: unsigned(beat, "a lease's beat")?,
                term: Duration::from_millis(unsigned(term, "a lease's term")?),
            }),
            (None, None, None) => None,
            _ => return Err(corrupt("a lease")),
        };
        let open = |octets: Octets| Sealed::from_bytes(octets.0);
        let tokens = sealed.sealed_tokens.map(|tokens| SealedTokens {
            tokens: open(tokens),
            refresh_token: sealed.sealed_refresh_token.map(open),
        });
        Ok(Self {
            session: row.session.try_into()?,
            digests: row.digests.try_into()?,
            tokens,
            lease,
        })
    }
}

/// What must be known of a session that may end.
#[derive(Debug)]
pub(super) struct EndingRow {
    pub(super) id: Uuid,
    user_id: String,
    provider: String,
    digests: DigestRow,
    admission: i64,
    last_seen_at: i64,
    timeouts_from: i64,
    pub(super) has_refresh_token: bool,
}

impl EndingRow {
    const COLUMNS: [Column; 10] = [
        Column::Id,
        Column::UserId,
        Column::Provider,
        Column::Digest,
        Column::PreviousDigest,
        Column::RotatedAt,
        Column::ConfirmedAt,
        Column::Admission,
        Column::LastSeenAt,
        Column::TimeoutsFrom,
    ];

    /// A question for these columns, of live sessions.
    pub(super) fn select_live() -> Select<session::Entity> {
        use sea_orm::ColumnTrait as _;
        use sea_orm::QueryFilter as _;

        session::Entity::find()
            .select_only()
            .columns(Self::COLUMNS)
            .column_as(Column::SealedRefreshToken.is_not_null(), "has_refresh_token")
            .filter(Column::EndedAt.is_null())
    }

    pub(super) fn occupant(&self) -> Result<Occupant, Failure> {
        Ok(Occupant {
            id: SessionId::from_uuid(self.id),
            admission: unsigned(self.admission, "an admission")?,
            last_seen_at: Timestamp::from_millis(self.last_seen_at),
            timeouts_from: Timestamp::from_millis(self.timeouts_from),
        })
    }

    pub(super) fn into_ended(self, reason: EndReason) -> Result<EndedSession, Failure> {
        Ok(EndedSession {
            id: SessionId::from_uuid(self.id),
            user: name(UserId::new(self.user_id), "a user id")?,
            provider: name(ProviderName::new(self.provider), "a provider's name")?,
            reason,
            digests: self.digests.try_into()?,
        })
    }
}

impl FromQueryResult for EndingRow {
    fn from_query_result(row: &QueryResult, pre: &str) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.try_get(pre, "id")?,
            user_id: row.try_get(pre, "user_id")?,
            provider: row.try_get(pre, "provider")?,
            digests: DigestRow::from_query_result(row, pre)?,
            admission: row.try_get(pre, "admission")?,
            last_seen_at: row.try_get(pre, "last_seen_at")?,
            timeouts_from: row.try_get(pre, "timeouts_from")?,
            has_refresh_token: row.try_get(pre, "has_refresh_token")?,
        })
    }
}

/// The partition of a row, as bytes.
impl SessionRow {
    pub(super) fn partition(&self) -> Result<[u8; 32], Failure> {
        bytes32(&self.partition_key, "a partition")
    }
}
