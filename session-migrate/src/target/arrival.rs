//! What becomes of a source's row: decided here, carried out elsewhere. Pure.

use std::time::Duration;

use session_core::{
    Origin, ProviderIdentity, ProviderName, SecretDigest, Session, SessionId, Subject, Timestamp,
    TokenResponse, TokenSet, UserId,
};

use super::id;
use crate::source::{NewestBy, RowTokens, SourceRow, row::OpenedTokens};

/// For how long an access token is taken to be good whose source does not say (F25).
pub(crate) const ASSUMED_LIFETIME: Duration = Duration::from_secs(3600);

/// A source's row on its way into the target.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) id: SessionId,
    pub(crate) fate: Fate,
}

/// What becomes of it.
#[derive(Debug)]
pub(crate) enum Fate {
    /// A session.
    Live(Box<LiveRow>),
    /// Set aside as it was.
    Aside(Reason),
    /// It holds no tokens: there is nothing to move.
    Empty,
}

/// Why a row is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The cap has no place for it.
    Pruned,
    /// No key opens its tokens, or they are none; with the word for why.
    Unreadable(&'static str),
}

impl Reason {
    pub(crate) const fn state(self) -> &'static str {
        match self {
            Self::Pruned => "pruned",
            Self::Unreadable(_) => "unreadable",
        }
    }

    pub(crate) const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Pruned => None,
            Self::Unreadable(why) => Some(why),
        }
    }
}

/// A session that is to stand in the target.
#[derive(Debug)]
pub(crate) struct LiveRow {
    pub(crate) session: Session,
    pub(crate) digest: Option<SecretDigest>,
    pub(crate) admission: i64,
    pub(crate) tokens: TokenSet,
    /// Whether the source says when it was created; else the import's moment stands for it.
    pub(crate) is_age_known: bool,
    /// Whether its user is gone: no cookie leads to it then, not even one that did.
    pub(crate) is_orphan: bool,
}

/// How rows arrive: what all of a mapping's rows share.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    pub(crate) mapping: String,
    pub(crate) newest_by: Option<NewestBy>,
    /// From when the timeouts of what arrives now count.
    pub(crate) now: Timestamp,
}

impl Gate {
    /// What becomes of a row that the cap keeps or prunes.
    pub(crate) fn arrival(&self, row: &SourceRow, is_pruned: bool) -> Arrival {
        let id = id::of_row(&self.mapping, &row.key);
        let fate = match (&row.tokens, is_pruned) {
            (RowTokens::Absent, _) => Fate::Empty,
            (_, true) => Fate::Aside(Reason::Pruned),
            (RowTokens::Opened(tokens), false) => self.live(id, row, tokens),
            (RowTokens::Unreadable(why), false) => {
                Fate::Aside(Reason::Unreadable(why.reason.code()))
            }
        };
        Arrival { id, fate }
    }

    fn live(&self, id: SessionId, row: &SourceRow, tokens: &OpenedTokens) -> Fate {
        let user = row.user.as_deref().map(UserId::new).and_then(Result::ok);
        let provider = row.provider.as_deref().map(ProviderName::new).and_then(Result::ok);
        let (Some(user), Some(provider)) = (user, provider) else {
            return Fate::Aside(Reason::Unreadable("no_name"));
        };
        let known = row.created_at.or(row.renewed_at).or(row.used_at);
        let session = Session::new(id, user, provider, Origin::Imported, self.now)
            .with_identity(identity(row))
            .with_created_at(known.unwrap_or(self.now))
            .with_renewed_at(row.renewed_at);
        let received_at = row.renewed_at.or(row.created_at).unwrap_or(self.now);
        Fate::Live(Box::new(LiveRow {
            session,
            digest: row.cookie.as_ref().map(|cookie| SecretDigest::of(cookie)),
            admission: admission(row, self.newest_by),
            tokens: token_set(row, tokens, received_at),
            is_age_known: known.is_some(),
            is_orphan: row.is_orphan,
        }))
    }
}

/// The place in the order of admission: the moment that makes a row the newer one. A login counts
/// on behind the highest.
fn admission(row: &SourceRow, newest_by: Option<NewestBy>) -> i64 {
    row.moment(newest_by).map_or(0, Timestamp::as_millis)
}

fn identity(row: &SourceRow) -> ProviderIdentity {
    // What no column takes is left out, as at a login: it could be matched by nothing.
    let storable = |text: &Option<String>| text.clone().filter(|text| Subject::new(text).is_ok());
    let subject = row.subject.as_deref().map(Subject::new).and_then(Result::ok);
    ProviderIdentity {
        issuer: storable(&row.issuer),
        account: storable(&row.account).filter(|account| row.subject.as_ref() != Some(account)),
        subject,
        sid: storable(&row.sid),
    }
}

fn token_set(row: &SourceRow, tokens: &OpenedTokens, received_at: Timestamp) -> TokenSet {
    // Where the source does not say, as at a login: some lifetime if it can be renewed, and none if
    // it cannot. Without an access token only the refresh token is of use, at the first use.
    let assumed = tokens.refresh().map(|_| received_at + ASSUMED_LIFETIME);
    let expires_at = match tokens.access() {
        Some(_) => row.expires_at.or(assumed),
        None => Some(Timestamp::from_millis(0)),
    };
    let access = tokens.access().unwrap_or_default();
    let mut response =
        TokenResponse::bearer(access).with_token_type(tokens.token_type().map(str::to_owned));
    if let Some(token) = tokens.refresh() {
        response = response.with_refresh_token(token);
    }
    if let Some(token) = tokens.id() {
        response = response.with_id_token(token);
    }
    if let Some(scope) = tokens.scope() {
        response = response.with_scope(scope);
    }
    for (name, value) in tokens.extra() {
        response = response.with_field(name, value.clone());
    }
    TokenSet::new(response, received_at, ASSUMED_LIFETIME).with_expires_at(expires_at)
}
