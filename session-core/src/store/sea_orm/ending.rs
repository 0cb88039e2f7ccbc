//! What is read of sessions that may end, within the transaction that ends them.

use sea_orm::prelude::Uuid;
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryResult, QuerySelect, Select,
};

use super::convert::{name, unsigned};
use super::entity::session::{self, Column};
use super::failure::Failure;
use super::row::{Columns, DigestRow, place_in};
use crate::clock::Timestamp;
use crate::policy::AdmittedSession;
use crate::session::{EndReason, ProviderName, SessionId, UserId};
use crate::store::EndedSession;

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
        session::Entity::find()
            .select_only()
            .columns(Self::COLUMNS)
            .column_as(Column::SealedRefreshToken.is_not_null(), "has_refresh_token")
            .filter(Column::EndedAt.is_null())
    }

    pub(super) fn occupant(&self) -> Result<AdmittedSession, Failure> {
        Ok(AdmittedSession {
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
    fn from_query_result(row: &QueryResult, _pre: &str) -> Result<Self, DbErr> {
        let columns = Columns { row, place: |column| place_in(&Self::COLUMNS, column) };
        Ok(Self {
            id: columns.get(Column::Id)?,
            user_id: columns.get(Column::UserId)?,
            provider: columns.get(Column::Provider)?,
            digests: DigestRow::read(&columns)?,
            admission: columns.get(Column::Admission)?,
            last_seen_at: columns.get(Column::LastSeenAt)?,
            timeouts_from: columns.get(Column::TimeoutsFrom)?,
            has_refresh_token: row.try_get_by_index(Self::COLUMNS.len())?,
        })
    }
}
