//! What stands in the target for a source's row.

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{DbErr, QueryResult};
use session_core::session::{ProviderIdentity, Subject};
use session_core::token::{Sealed, SealedTokens};
use session_core::{Keyring, ProviderName, SessionId, Timestamp, TokenSet, UserId};

use super::arrival::LiveRow;

/// What stands in the target for one row of the source.
#[derive(Debug)]
pub(crate) enum Standing {
    Live(Box<TargetRow>),
    /// With the row as it was, sealed.
    Aside {
        id: SessionId,
        state: String,
        pair: Option<(String, String)>,
        sealed: Vec<u8>,
    },
}

impl Standing {
    pub(crate) const fn id(&self) -> SessionId {
        match self {
            Self::Live(row) => row.id,
            Self::Aside { id, .. } => *id,
        }
    }
}

/// A row of `login_session`, as far as a move has to do with it.
#[derive(Debug)]
pub(crate) struct TargetRow {
    pub(crate) id: SessionId,
    pub(crate) digest: Option<Vec<u8>>,
    pub(crate) user: String,
    pub(crate) provider: String,
    pub(crate) identity: [Option<String>; 4],
    pub(crate) created_at: i64,
    pub(crate) timeouts_from: i64,
    pub(crate) renewed_at: Option<i64>,
    pub(crate) revision: i64,
    pub(crate) is_ended: bool,
    pub(crate) tokens: Option<SealedTokens>,
}

impl TargetRow {
    pub(crate) const COLUMNS: &'static str = "id, digest, user_id, provider, issuer, subject, \
        sid, account, created_at, timeouts_from, renewed_at, revision, ended_at, sealed_tokens, \
        sealed_refresh_token";

    pub(crate) fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let id: Uuid = row.try_get_by_index(0)?;
        let ended_at: Option<i64> = row.try_get_by_index(12)?;
        let sealed: Option<Vec<u8>> = row.try_get_by_index(13)?;
        let refresh: Option<Vec<u8>> = row.try_get_by_index(14)?;
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
            is_ended: ended_at.is_some(),
            tokens: sealed.map(|tokens| SealedTokens {
                tokens: Sealed::from_bytes(tokens),
                refresh_token: refresh.map(Sealed::from_bytes),
            }),
        })
    }

    /// The row's tokens, if it holds any and the keyring opens them.
    pub(crate) fn open(&self, keyring: &Keyring) -> Option<TokenSet> {
        let user = UserId::new(&self.user).ok()?;
        let provider = ProviderName::new(&self.provider).ok()?;
        TokenSet::open(self.tokens.as_ref()?, keyring, self.id, &user, &provider).ok()
    }

    /// The moment of the source that the row was created at; `None` where the import's stands for
    /// it.
    pub(crate) const fn known_age(&self) -> Option<i64> {
        if self.created_at == self.timeouts_from { None } else { Some(self.created_at) }
    }

    /// Whether it is what the source's row asks for, with these tokens.
    pub(crate) fn is_for(&self, live: &LiveRow, opened: &TokenSet) -> bool {
        let session = &live.session;
        let age = live.is_age_known.then_some(session.created_at.as_millis());
        self.names(live)
            && self.has_secret_for(live)
            && self.identity == texts(&session.identity)
            && (self.known_age() == age || Some(self.created_at) == age)
            && self.renewed_at == session.renewed_at.map(Timestamp::as_millis)
            && is_same(&live.tokens, opened)
    }

    /// Whether the cookie that leads to it is the source's. A row that no cookie points at may have
    /// been claimed by a device meanwhile, which raised its revision.
    fn has_secret_for(&self, live: &LiveRow) -> bool {
        let wanted = live.digest.as_ref().map(|it| it.as_bytes().as_slice());
        let is_claimed = wanted.is_none() && self.revision > 1 && !live.is_orphan;
        self.digest.as_deref() == wanted || is_claimed
    }

    /// Whether it is of the same user and provider.
    pub(crate) fn names(&self, live: &LiveRow) -> bool {
        let session = &live.session;
        self.user == session.user.as_str() && self.provider == session.provider.as_str()
    }
}

/// Issuer, subject, `sid` and account.
fn texts(identity: &ProviderIdentity) -> [Option<String>; 4] {
    let subject = identity.subject.as_ref().map(Subject::as_str).map(str::to_owned);
    [identity.issuer.clone(), subject, identity.sid.clone(), identity.account.clone()]
}

/// Whether two token sets are one. When they were received is not asked where it was the import's
/// own moment.
fn is_same(one: &TokenSet, other: &TokenSet) -> bool {
    one.is_access_token(other.access_token())
        && one.has_refresh_token_of(other)
        && one.id_token() == other.id_token()
        && one.token_type() == other.token_type()
        && one.scope() == other.scope()
        && one.extra() == other.extra()
        && is_same_expiry(one, other)
}

/// An assumed expiry counts from the receipt, which may have been the import's own moment.
fn is_same_expiry(one: &TokenSet, other: &TokenSet) -> bool {
    let lifetime = |tokens: &TokenSet| tokens.expires_at().map(|at| at.since(tokens.received_at()));
    one.expires_at() == other.expires_at() || lifetime(one) == lifetime(other)
}
