//! Rows that the target already holds, and how they compare with what the source asks for.

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{DbErr, IdenStatic as _, QueryResult};
use session_core::session::{ProviderIdentity, Subject};
use session_core::store::sea_orm::entity::session::Column;
use session_core::token::{Sealed, SealedTokens};
use session_core::{Keyring, ProviderName, SessionId, Timestamp, TokenSet, UserId};

use super::row_plan::LiveRow;

/// What the target holds for one source row.
#[derive(Debug)]
pub(crate) enum ExistingRow {
    Live(Box<TargetRow>),
    Quarantined(Box<QuarantineEntry>),
}

impl ExistingRow {
    /// Returns the user and the provider.
    pub(crate) fn partition(&self) -> Option<(String, String)> {
        match self {
            Self::Live(row) => Some((row.user.clone(), row.provider.clone())),
            Self::Quarantined(entry) => entry.partition.clone(),
        }
    }
}

/// A row of `session_move_aside`.
#[derive(Debug)]
pub(crate) struct QuarantineEntry {
    pub(crate) id: SessionId,
    pub(crate) state: String,
    /// The user and the provider.
    pub(crate) partition: Option<(String, String)>,
    /// The row as it was stored in the source.
    pub(crate) sealed: Sealed,
}

/// The state of an entry that is no quarantine: the row as it was before a rollback wrote into it.
pub(crate) const WRITE_BACK: &str = "write_back";

impl QuarantineEntry {
    pub(crate) const COLUMNS: &'static str = "session_id, state, user_id, provider, sealed_row";

    pub(crate) fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let id: Uuid = row.try_get_by_index(0)?;
        let user: Option<String> = row.try_get_by_index(2)?;
        let provider: Option<String> = row.try_get_by_index(3)?;
        Ok(Self {
            id: SessionId::from_uuid(id),
            state: row.try_get_by_index(1)?,
            partition: user.zip(provider),
            sealed: Sealed::from_bytes(row.try_get_by_index(4)?),
        })
    }
}

/// A row of `login_session`, as far as a move needs it.
#[derive(Debug)]
pub(crate) struct TargetRow {
    pub(crate) id: SessionId,
    pub(crate) digest: Option<Vec<u8>>,
    pub(crate) user: String,
    pub(crate) provider: String,
    /// Issuer, subject, `sid` and account.
    pub(crate) identity: [Option<String>; 4],
    pub(crate) created_at: i64,
    pub(crate) timeouts_from: i64,
    pub(crate) renewed_at: Option<i64>,
    pub(crate) revision: i64,
    /// Raised with the revision by each write of the move.
    moved_revision: i64,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) tokens: Option<SealedTokens>,
}

impl TargetRow {
    /// The columns that [`read`](Self::read) takes, in its order.
    pub(crate) const COLUMNS: [Column; 16] = [
        Column::Id,
        Column::Digest,
        Column::UserId,
        Column::Provider,
        Column::Issuer,
        Column::Subject,
        Column::Sid,
        Column::Account,
        Column::CreatedAt,
        Column::TimeoutsFrom,
        Column::RenewedAt,
        Column::Revision,
        Column::EndedAt,
        Column::SealedTokens,
        Column::SealedRefreshToken,
        Column::MovedRevision,
    ];

    /// Returns the columns as the list of a `SELECT`.
    pub(crate) fn column_list() -> String {
        Self::COLUMNS.map(|column| column.as_str().to_owned()).join(", ")
    }

    pub(crate) fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let id: Uuid = row.try_get_by_index(0)?;
        let ended_at: Option<i64> = row.try_get_by_index(12)?;
        let sealed: Option<Vec<u8>> = row.try_get_by_index(13)?;
        let refresh: Option<Vec<u8>> = row.try_get_by_index(14)?;
        let moved_revision: Option<i64> = row.try_get_by_index(15)?;
        Ok(Self {
            id: SessionId::from_uuid(id),
            digest: row.try_get_by_index(1)?,
            user: row.try_get_by_index(2)?,
            provider: row.try_get_by_index(3)?,
            identity: [
                row.try_get_by_index(4)?,
                row.try_get_by_index(5)?,
                row.try_get_by_index(6)?,
                row.try_get_by_index(7)?,
            ],
            created_at: row.try_get_by_index(8)?,
            timeouts_from: row.try_get_by_index(9)?,
            renewed_at: row.try_get_by_index(10)?,
            revision: row.try_get_by_index(11)?,
            moved_revision: moved_revision.unwrap_or(1),
            ended_at: ended_at.map(Timestamp::from_millis),
            tokens: sealed.map(|tokens| SealedTokens {
                tokens: Sealed::from_bytes(tokens),
                refresh_token: refresh.map(Sealed::from_bytes),
            }),
        })
    }

    /// Opens the row's tokens; returns `None` if it holds none, or if no key opens them.
    pub(crate) fn open(&self, keyring: &Keyring) -> Option<TokenSet> {
        let user = UserId::new(&self.user).ok()?;
        let provider = ProviderName::new(&self.provider).ok()?;
        TokenSet::open(self.tokens.as_ref()?, keyring, self.id, &user, &provider).ok()
    }

    /// Returns whether the session has ended.
    pub(crate) const fn is_ended(&self) -> bool {
        self.ended_at.is_some()
    }

    /// Returns whether another writer than the move has changed the row.
    pub(crate) const fn is_changed_by_others(&self) -> bool {
        self.revision > self.moved_revision
    }

    /// Returns the creation time that the source gave; `None` where the time of the import is
    /// used.
    pub(crate) const fn known_age(&self) -> Option<i64> {
        if self.created_at == self.timeouts_from { None } else { Some(self.created_at) }
    }

    /// Returns whether this row, with these opened tokens, is what the source asks for.
    pub(crate) fn is_for(&self, live: &LiveRow, opened: &TokenSet) -> bool {
        let session = &live.session;
        let age = live.is_age_known.then_some(session.created_at.as_millis());
        self.is_of_user_and_provider(live)
            && self.has_secret_for(live)
            && self.identity == texts(&session.identity)
            && (self.known_age() == age || Some(self.created_at) == age)
            && self.renewed_at == session.renewed_at.map(Timestamp::as_millis)
            && is_same(&live.tokens, opened)
    }

    /// Returns whether the row's cookie is the source's. A row without a cookie may have been claimed
    /// by a device meanwhile, which raised its revision.
    fn has_secret_for(&self, live: &LiveRow) -> bool {
        let wanted = live.digest.as_ref().map(|it| it.as_bytes().as_slice());
        let is_claimed = wanted.is_none() && self.is_changed_by_others() && !live.is_orphan;
        self.digest.as_deref() == wanted || is_claimed
    }

    /// Returns whether the row belongs to the same user and provider.
    pub(crate) fn is_of_user_and_provider(&self, live: &LiveRow) -> bool {
        let session = &live.session;
        self.user == session.user.as_str() && self.provider == session.provider.as_str()
    }
}

fn texts(identity: &ProviderIdentity) -> [Option<String>; 4] {
    let subject = identity.subject.as_ref().map(Subject::as_str).map(str::to_owned);
    [identity.issuer.clone(), subject, identity.sid.clone(), identity.account.clone()]
}

/// Returns whether two token sets are the same. The time of receipt does not count: it may be the
/// time of the import.
fn is_same(one: &TokenSet, other: &TokenSet) -> bool {
    one.is_access_token(other.access_token())
        && one.has_refresh_token_of(other)
        && one.id_token() == other.id_token()
        && one.token_type() == other.token_type()
        && one.scope() == other.scope()
        && one.extra() == other.extra()
        && is_same_expiry(one, other)
}

/// Compares the lifetimes too: an assumed expiry counts from the receipt, which may be the time of
/// the import.
fn is_same_expiry(one: &TokenSet, other: &TokenSet) -> bool {
    let lifetime = |tokens: &TokenSet| tokens.expires_at().map(|at| at.since(tokens.received_at()));
    one.expires_at() == other.expires_at() || lifetime(one) == lifetime(other)
}
