//! What is read of a row: no more columns than a question needs.

use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::{DbErr, EntityTrait, FromQueryResult, QueryResult, QuerySelect, Select, TryGetable};

use super::convert::{bytes32, digest, name, unsigned};
use super::entity::{Octets, session};
use super::failure::{Failure, corrupt};
use crate::clock::Timestamp;
use crate::session::{
    DeviceLabel, EndReason, Ended, Origin, ProviderIdentity, ProviderName, Session, SessionId,
    Subject, UserId,
};
use crate::store::{Digests, Lease, LeaseOwner, PreviousDigest, StoredSession};
use crate::token::{Sealed, SealedTokens};
use session::Column;

/// Reads a row's columns by their places: by their names it costs as much as the statement's own
/// work in the database, and each request that is not cached waits for it.
pub(super) struct Columns<'a> {
    pub(super) row: &'a QueryResult,
    pub(super) place: fn(Column) -> usize,
}

impl Columns<'_> {
    pub(super) fn get<T: TryGetable>(&self, column: Column) -> Result<T, DbErr> {
        self.row.try_get_by_index((self.place)(column))
    }
}

/// The place of a column in a list of them.
pub(super) fn place_in(columns: &[Column], column: Column) -> usize {
    let same = |known: &Column| *known as usize == column as usize;
    columns.iter().position(same).unwrap_or(usize::MAX)
}

/// The columns of a [`Session`], and its place in the order of admission.
#[derive(Debug)]
pub(super) struct SessionRow {
    id: Uuid,
    user_id: String,
    provider: String,
    partition_key: Octets,
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

    pub(super) fn partition(&self) -> Result<[u8; 32], Failure> {
        bytes32(&self.partition_key, "a partition")
    }

    fn read(columns: &Columns<'_>) -> Result<Self, DbErr> {
        Ok(Self {
            id: columns.get(Column::Id)?,
            user_id: columns.get(Column::UserId)?,
            provider: columns.get(Column::Provider)?,
            partition_key: columns.get(Column::PartitionKey)?,
            admission: columns.get(Column::Admission)?,
            issuer: columns.get(Column::Issuer)?,
            subject: columns.get(Column::Subject)?,
            sid: columns.get(Column::Sid)?,
            account: columns.get(Column::Account)?,
            device: columns.get(Column::Device)?,
            origin: columns.get(Column::Origin)?,
            created_at: columns.get(Column::CreatedAt)?,
            last_seen_at: columns.get(Column::LastSeenAt)?,
            timeouts_from: columns.get(Column::TimeoutsFrom)?,
            renewed_at: columns.get(Column::RenewedAt)?,
            revision: columns.get(Column::Revision)?,
            ended_at: columns.get(Column::EndedAt)?,
            end_reason: columns.get(Column::EndReason)?,
        })
    }
}

impl FromQueryResult for SessionRow {
    fn from_query_result(row: &QueryResult, _pre: &str) -> Result<Self, DbErr> {
        Self::read(&Columns { row, place: |column| place_in(&Self::COLUMNS, column) })
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
#[derive(Debug)]
pub(super) struct DigestRow {
    digest: Option<Octets>,
    previous_digest: Option<Octets>,
    rotated_at: Option<i64>,
    confirmed_at: Option<i64>,
}

impl DigestRow {
    pub(super) fn read(columns: &Columns<'_>) -> Result<Self, DbErr> {
        Ok(Self {
            digest: columns.get(Column::Digest)?,
            previous_digest: columns.get(Column::PreviousDigest)?,
            rotated_at: columns.get(Column::RotatedAt)?,
            confirmed_at: columns.get(Column::ConfirmedAt)?,
        })
    }
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
#[derive(Debug)]
struct SealedRow {
    sealed_tokens: Option<Octets>,
    sealed_refresh_token: Option<Octets>,
    lease_owner: Option<Uuid>,
    lease_heartbeat: Option<i64>,
    lease_term_ms: Option<i64>,
}

impl SealedRow {
    fn read(columns: &Columns<'_>) -> Result<Self, DbErr> {
        Ok(Self {
            sealed_tokens: columns.get(Column::SealedTokens)?,
            sealed_refresh_token: columns.get(Column::SealedRefreshToken)?,
            lease_owner: columns.get(Column::LeaseOwner)?,
            lease_heartbeat: columns.get(Column::LeaseHeartbeat)?,
            lease_term_ms: columns.get(Column::LeaseTermMs)?,
        })
    }
}

/// All columns of a session.
#[derive(Debug)]
pub(super) struct StoredRow {
    session: SessionRow,
    digests: DigestRow,
    sealed: SealedRow,
}

impl FromQueryResult for StoredRow {
    /// Of a question for the whole entity, whose columns come in the entity's order.
    fn from_query_result(row: &QueryResult, _pre: &str) -> Result<Self, DbErr> {
        let columns = Columns { row, place: |column| column as usize };
        Ok(Self {
            session: SessionRow::read(&columns)?,
            digests: DigestRow::read(&columns)?,
            sealed: SealedRow::read(&columns)?,
        })
    }
}

impl TryFrom<StoredRow> for StoredSession {
    type Error = Failure;

    fn try_from(row: StoredRow) -> Result<Self, Failure> {
        let sealed = row.sealed;
        let lease = match (sealed.lease_owner, sealed.lease_heartbeat, sealed.lease_term_ms) {
            (Some(owner), Some(heartbeat), Some(term)) => Some(Lease {
                owner: LeaseOwner::from_uuid(owner),
                heartbeat: unsigned(heartbeat, "a lease's beat")?,
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
