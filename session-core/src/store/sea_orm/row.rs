//! What is read of a row: no more columns than a query needs.

use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, QueryResult, QuerySelect, Select, TryGetable,
};

use super::attempt_error::AttemptError;
use super::convert::{bytes32, digest, name, unsigned};
use super::entity::{Octets, session};
use crate::clock::Timestamp;
use crate::policy::AdmittedSession;
use crate::session::{
    Authentication, DeviceLabel, EndReason, Ended, Origin, ProviderIdentity, ProviderName, Session,
    SessionId, Subject, UserId,
};
use crate::store::{Digests, EndedSession, Lease, LeaseOwner, PreviousDigest, StoredSession};
use crate::token::{Sealed, SealedTokens};
use session::Column;

/// Reads the columns of a row by position. Reading them by name costs as much as the statement's
/// own work in the database, and each request that is not cached waits for it.
struct Columns<'a> {
    row: &'a QueryResult,
    position: fn(Column) -> usize,
}

impl Columns<'_> {
    fn get<T: TryGetable>(&self, column: Column) -> Result<T, DbErr> {
        self.row.try_get_by_index((self.position)(column))
    }
}

fn position_in(columns: &[Column], column: Column) -> usize {
    let same = |known: &Column| *known as usize == column as usize;
    columns.iter().position(same).unwrap_or(usize::MAX)
}

/// Declares the fields of a row and how they are read, from one list of columns; with `selected`,
/// also the list to select.
macro_rules! row {
    (selected $(#[$doc:meta])+ $name:ident { $($field:ident: $type:ty = $column:ident),+ $(,)? }) => {
        row! { $(#[$doc])+ $name { $($field: $type = $column),+ } }

        impl $name {
            const COLUMNS: &'static [Column] = &[$(Column::$column),+];
        }
    };
    ($(#[$doc:meta])+ $name:ident { $($field:ident: $type:ty = $column:ident),+ $(,)? }) => {
        $(#[$doc])+
        #[derive(Debug)]
        pub(super) struct $name {
            $(pub(super) $field: $type),+
        }

        impl $name {
            fn read(columns: &Columns<'_>) -> Result<Self, DbErr> {
                Ok(Self { $($field: columns.get(Column::$column)?),+ })
            }
        }
    };
}

row! {
    selected
    /// The columns of a [`Session`], and its order of admission.
    SessionRow {
        id: Uuid = Id,
        user_id: String = UserId,
        provider: String = Provider,
        partition_key: Octets = PartitionKey,
        admission: i64 = Admission,
        issuer: Option<String> = Issuer,
        subject: Option<String> = Subject,
        sid: Option<String> = Sid,
        account: Option<String> = Account,
        auth_time: Option<i64> = AuthTime,
        acr: Option<String> = Acr,
        amr: Option<String> = Amr,
        device: String = Device,
        origin: String = Origin,
        created_at: i64 = CreatedAt,
        last_seen_at: i64 = LastSeenAt,
        timeouts_from: i64 = TimeoutsFrom,
        renewed_at: Option<i64> = RenewedAt,
        revision: i64 = Revision,
        ended_at: Option<i64> = EndedAt,
        end_reason: Option<String> = EndReason,
    }
}

row! {
    /// The columns of [`Digests`].
    DigestRow {
        digest: Option<Octets> = Digest,
        previous_digest: Option<Octets> = PreviousDigest,
        rotated_at: Option<i64> = RotatedAt,
        confirmed_at: Option<i64> = ConfirmedAt,
    }
}

row! {
    /// The other columns of a [`StoredSession`].
    SealedRow {
        sealed_tokens: Option<Octets> = SealedTokens,
        sealed_refresh_token: Option<Octets> = SealedRefreshToken,
        lease_owner: Option<Uuid> = LeaseOwner,
        lease_heartbeat: Option<i64> = LeaseHeartbeat,
        lease_term_ms: Option<i64> = LeaseTermMs,
    }
}

row! {
    selected
    /// The columns of an [`AdmittedSession`] and an [`EndedSession`].
    AdmittedRow {
        id: Uuid = Id,
        user_id: String = UserId,
        provider: String = Provider,
        digest: Option<Octets> = Digest,
        previous_digest: Option<Octets> = PreviousDigest,
        rotated_at: Option<i64> = RotatedAt,
        confirmed_at: Option<i64> = ConfirmedAt,
        admission: i64 = Admission,
        last_seen_at: i64 = LastSeenAt,
        timeouts_from: i64 = TimeoutsFrom,
    }
}

impl SessionRow {
    /// Selects these columns.
    pub(super) fn select() -> Select<session::Entity> {
        session::Entity::find().select_only().columns(Self::COLUMNS.iter().copied())
    }

    pub(super) fn partition(&self) -> Result<[u8; 32], AttemptError> {
        bytes32(&self.partition_key, "a partition")
    }
}

impl FromQueryResult for SessionRow {
    fn from_query_result(row: &QueryResult, _pre: &str) -> Result<Self, DbErr> {
        Self::read(&Columns { row, position: |column| position_in(Self::COLUMNS, column) })
    }
}

impl TryFrom<SessionRow> for Session {
    type Error = AttemptError;

    fn try_from(row: SessionRow) -> Result<Self, AttemptError> {
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
            authentication: Authentication {
                at: row.auth_time.map(Timestamp::from_millis),
                acr: row.acr,
                amr: Authentication::methods_in(row.amr.as_deref()),
            },
            device: DeviceLabel::new(&row.device),
            origin: Origin::parse(&row.origin).ok_or_else(|| AttemptError::corrupt("an origin"))?,
            created_at: Timestamp::from_millis(row.created_at),
            last_seen_at: Timestamp::from_millis(row.last_seen_at),
            timeouts_from: Timestamp::from_millis(row.timeouts_from),
            renewed_at: row.renewed_at.map(Timestamp::from_millis),
            revision: unsigned(row.revision, "a revision")?,
            ended: ended(row.ended_at, row.end_reason.as_deref())?,
        })
    }
}

fn ended(at: Option<i64>, reason: Option<&str>) -> Result<Option<Ended>, AttemptError> {
    match (at, reason) {
        (None, None) => Ok(None),
        (Some(at), Some(reason)) => {
            let reason =
                EndReason::parse(reason).ok_or_else(|| AttemptError::corrupt("an end's reason"))?;
            Ok(Some(Ended { at: Timestamp::from_millis(at), reason }))
        }
        _ => Err(AttemptError::corrupt("an end")),
    }
}

impl TryFrom<DigestRow> for Digests {
    type Error = AttemptError;

    fn try_from(row: DigestRow) -> Result<Self, AttemptError> {
        let previous = match (row.previous_digest, row.rotated_at) {
            (Some(previous), Some(rotated_at)) => Some(PreviousDigest {
                digest: digest(&previous)?,
                rotated_at: Timestamp::from_millis(rotated_at),
                confirmed_at: row.confirmed_at.map(Timestamp::from_millis),
            }),
            (None, _) => None,
            (Some(_), None) => return Err(AttemptError::corrupt("a rotation")),
        };
        let current = row.digest.as_ref().map(digest).transpose()?;
        Ok(Self { current, previous, is_rotated: row.rotated_at.is_some() })
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
    /// Reads the result of a query for the whole entity, whose columns are in the entity's order.
    fn from_query_result(row: &QueryResult, _pre: &str) -> Result<Self, DbErr> {
        let columns = Columns { row, position: |column| column as usize };
        Ok(Self {
            session: SessionRow::read(&columns)?,
            digests: DigestRow::read(&columns)?,
            sealed: SealedRow::read(&columns)?,
        })
    }
}

impl TryFrom<StoredRow> for StoredSession {
    type Error = AttemptError;

    fn try_from(row: StoredRow) -> Result<Self, AttemptError> {
        let sealed = row.sealed;
        let lease = match (sealed.lease_owner, sealed.lease_heartbeat, sealed.lease_term_ms) {
            (Some(owner), Some(heartbeat), Some(term)) => Some(Lease {
                owner: LeaseOwner::from_uuid(owner),
                heartbeat: unsigned(heartbeat, "a lease's heartbeat")?,
                term: Duration::from_millis(unsigned(term, "a lease's term")?),
            }),
            (None, None, None) => None,
            _ => return Err(AttemptError::corrupt("a lease")),
        };
        let value = |octets: Octets| Sealed::from_bytes(octets.0);
        let tokens = sealed.sealed_tokens.map(|tokens| SealedTokens {
            tokens: value(tokens),
            refresh_token: sealed.sealed_refresh_token.map(value),
        });
        Ok(Self {
            session: row.session.try_into()?,
            digests: row.digests.try_into()?,
            tokens,
            lease,
        })
    }
}

/// The columns of an [`EndingRow`], in its order.
pub(super) const ENDING_COLUMNS: &str = "id, user_id, provider, digest, previous_digest, \
    rotated_at, confirmed_at, admission, last_seen_at, timeouts_from, \
    sealed_refresh_token IS NOT NULL AS has_refresh_token";

/// A live session that may end within the transaction that has locked it.
#[derive(Debug)]
pub(super) struct EndingRow {
    pub(super) row: AdmittedRow,
    pub(super) has_refresh_token: bool,
}

/// Restricts rows that are named by their ids to live ones.
///
/// SQLite has no statistics: it takes the rows without an end for ten, and would rather read all of them
/// than look up many ids. It uses no index on an expression.
pub(super) fn is_live_by_id() -> Expr {
    Expr::cust("+ended_at IS NULL")
}

impl EndingRow {
    pub(super) fn select() -> Select<session::Entity> {
        session::Entity::find()
            .select_only()
            .columns(AdmittedRow::COLUMNS.iter().copied())
            .column_as(Column::SealedRefreshToken.is_not_null(), "has_refresh_token")
    }

    pub(super) fn admitted(&self) -> Result<AdmittedSession, AttemptError> {
        Ok(AdmittedSession {
            id: SessionId::from_uuid(self.row.id),
            admission: unsigned(self.row.admission, "an admission")?,
            last_seen_at: Timestamp::from_millis(self.row.last_seen_at),
            timeouts_from: Timestamp::from_millis(self.row.timeouts_from),
        })
    }

    /// Returns the digests of its secrets.
    pub(super) fn digests(&self) -> Result<Digests, AttemptError> {
        let AdmittedRow { digest, previous_digest, rotated_at, confirmed_at, .. } = &self.row;
        let (digest, previous_digest) = (digest.clone(), previous_digest.clone());
        let (rotated_at, confirmed_at) = (*rotated_at, *confirmed_at);
        DigestRow { digest, previous_digest, rotated_at, confirmed_at }.try_into()
    }

    pub(super) fn into_ended(self, reason: EndReason) -> Result<EndedSession, AttemptError> {
        let digests = self.digests()?;
        Ok(EndedSession {
            id: SessionId::from_uuid(self.row.id),
            user: name(UserId::new(self.row.user_id), "a user id")?,
            provider: name(ProviderName::new(self.row.provider), "a provider's name")?,
            reason,
            digests,
        })
    }
}

impl FromQueryResult for EndingRow {
    fn from_query_result(row: &QueryResult, _pre: &str) -> Result<Self, DbErr> {
        let position = |column| position_in(AdmittedRow::COLUMNS, column);
        Ok(Self {
            row: AdmittedRow::read(&Columns { row, position })?,
            has_refresh_token: row.try_get_by_index(AdmittedRow::COLUMNS.len())?,
        })
    }
}
