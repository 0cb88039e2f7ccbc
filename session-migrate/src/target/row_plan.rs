//! Decides what becomes of a source row; other modules carry the decision out. Pure.

use std::time::Duration;

use session_core::session::{Origin, ProviderIdentity, SecretDigest, Subject};
use session_core::{Session, SessionId, Timestamp, TokenResponse, TokenSet, UserId};

use crate::source::row::{NO_NAME, OpenedTokens};
use crate::source::{NewestBy, RowTokens, SourceIdentity, SourceKey, SourceRow};

/// The lifetime that an access token is assumed to have where the source has no expiry (F25).
pub(crate) const ASSUMED_LIFETIME: Duration = Duration::from_secs(3600);

/// The decision about one source row.
#[derive(Debug)]
pub(crate) struct RowPlan {
    pub(crate) id: SessionId,
    /// Where the row goes; `None` if it holds no tokens, so that there is nothing to move.
    pub(crate) disposition: Option<Disposition>,
}

/// Where a row goes.
#[derive(Debug)]
pub(crate) enum Disposition {
    /// Into `login_session`, as a live session.
    Live(Box<LiveRow>),
    /// Into `session_move_aside`, as it was stored.
    Quarantine(QuarantinedRow),
}

impl Disposition {
    /// Returns the user and the provider, where the columns can hold them.
    pub(crate) fn partition(&self) -> Option<(&str, &str)> {
        match self {
            Self::Live(live) => Some((live.session.user.as_str(), live.session.provider.as_str())),
            Self::Quarantine(of) => of.user.as_deref().zip(of.provider.as_deref()),
        }
    }
}

/// A row that is set aside and reported.
#[derive(Debug)]
pub(crate) struct QuarantinedRow {
    pub(crate) reason: QuarantineReason,
    /// The user and the provider, where the columns can hold them.
    pub(crate) user: Option<String>,
    pub(crate) provider: Option<String>,
}

/// Why a row is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuarantineReason {
    /// The row exceeds the cap.
    Pruned,
    /// The row's tokens do not open or are malformed; with the code of the cause.
    Unreadable(&'static str),
}

impl QuarantineReason {
    /// Returns the value of the column `state`.
    pub(crate) const fn state(self) -> &'static str {
        match self {
            Self::Pruned => "pruned",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Returns the value of the column `reason`.
    pub(crate) const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Pruned => None,
            Self::Unreadable(code) => Some(code),
        }
    }
}

/// A session that the source asks for.
#[derive(Debug)]
pub(crate) struct LiveRow {
    pub(crate) session: Session,
    pub(crate) digest: Option<SecretDigest>,
    pub(crate) admission: i64,
    pub(crate) tokens: TokenSet,
    /// Whether the source has a creation time; otherwise the time of the import is used.
    pub(crate) is_age_known: bool,
    /// Whether the row's user is gone: then no cookie may lead to it, not even one that did before.
    pub(crate) is_orphan: bool,
}

/// Plans the rows of one mapping.
#[derive(Debug, Clone)]
pub(crate) struct RowPlanner {
    source: SourceIdentity,
    mapping: String,
    newest_by: Option<NewestBy>,
    /// The start of the timeouts of the rows that are moved now.
    now: Timestamp,
}

impl RowPlanner {
    /// Creates a planner for the mapping of this name in a source, whose rows are ordered by
    /// `newest_by`.
    pub(crate) fn new(source: &SourceIdentity, mapping: &str, newest_by: Option<NewestBy>) -> Self {
        let (source, mapping) = (source.clone(), mapping.to_owned());
        Self { source, mapping, newest_by, now: Timestamp::default() }
    }

    /// Returns this planner with rows ordered by `newest_by`.
    pub(crate) fn ordered_by(&self, newest_by: Option<NewestBy>) -> Self {
        Self { newest_by, ..self.clone() }
    }

    /// Returns this planner for rows that are moved at this time.
    pub(crate) fn at(&self, now: Timestamp) -> Self {
        Self { now, ..self.clone() }
    }

    /// Returns the time by which the mapping's rows are ordered.
    pub(crate) const fn newest_by(&self) -> Option<NewestBy> {
        self.newest_by
    }

    /// Returns the id that the row with this key has in the target, the same in every run, and
    /// another one than that of a row of another source.
    ///
    /// A key may be a cookie, and the id is public. The key cannot be derived from it: keys that are
    /// cookies are too random to be guessed.
    pub(crate) fn id(&self, key: &SourceKey) -> SessionId {
        let source = self.source.as_str().as_bytes();
        SessionId::derived(&[b"row", source, self.mapping.as_bytes(), &key.canonical()])
    }

    /// Decides about a row, which the cap keeps or prunes.
    pub(crate) fn plan(&self, row: &SourceRow, is_pruned: bool) -> RowPlan {
        let id = self.id(&row.key);
        let disposition = match (&row.tokens, is_pruned) {
            (RowTokens::Absent, _) => None,
            (_, true) => Some(quarantine(row, QuarantineReason::Pruned)),
            (RowTokens::Opened(tokens), false) => Some(self.live(id, row, tokens)),
            (RowTokens::Unreadable(why), false) => {
                Some(quarantine(row, QuarantineReason::Unreadable(why.reason.code())))
            }
        };
        RowPlan { id, disposition }
    }

    fn live(&self, id: SessionId, row: &SourceRow, tokens: &OpenedTokens) -> Disposition {
        let Some((user, provider)) = row.owner() else {
            return quarantine(row, QuarantineReason::Unreadable(NO_NAME));
        };
        let known = row.created_at.or(row.renewed_at).or(row.used_at);
        let session = Session::new(id, user, provider, Origin::Imported, self.now)
            .with_identity(identity(row))
            .with_created_at(known.unwrap_or(self.now))
            .with_renewed_at(row.renewed_at);
        let received_at = row.renewed_at.or(row.created_at).unwrap_or(self.now);
        Disposition::Live(Box::new(LiveRow {
            session,
            digest: row.cookie.as_ref().map(|cookie| SecretDigest::of(cookie)),
            admission: admission(row, self.newest_by),
            tokens: token_set(row, tokens, received_at),
            is_age_known: known.is_some(),
            is_orphan: row.is_orphan,
        }))
    }
}

/// Returns the id of the move of these mappings of a source, each a name and a table.
pub(crate) fn move_id<'a>(
    source: &SourceIdentity,
    mappings: impl Iterator<Item = (&'a str, &'a str)>,
) -> SessionId {
    let mut parts: Vec<&[u8]> = vec![b"move", source.as_str().as_bytes()];
    for (name, table) in mappings {
        parts.push(name.as_bytes());
        parts.push(table.as_bytes());
    }
    SessionId::derived(&parts)
}

fn quarantine(row: &SourceRow, reason: QuarantineReason) -> Disposition {
    let storable = |text: &Option<String>| text.clone().filter(|text| UserId::new(text).is_ok());
    let (user, provider) = (storable(&row.user), storable(&row.provider));
    Disposition::Quarantine(QuarantinedRow { reason, user, provider })
}

/// Returns the position in the order of admission: the time that makes a row newer than others. A
/// later login counts on from the highest.
fn admission(row: &SourceRow, newest_by: Option<NewestBy>) -> i64 {
    row.moment(newest_by).map_or(0, Timestamp::as_millis)
}

fn identity(row: &SourceRow) -> ProviderIdentity {
    // A text that the column cannot hold is left out, as at a login: nothing could match it.
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
    // Without an expiry in the source, the rule is the same as at a login: a lifetime is assumed if
    // the token can be renewed, and no expiry if it cannot. Without an access token the set counts
    // as expired, so that the first use renews it.
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
    let response = response.with_extra(tokens.extra().clone());
    TokenSet::new(response, received_at, ASSUMED_LIFETIME).with_expires_at(expires_at)
}

#[cfg(test)]
mod tests {
    use super::{RowPlanner, move_id};
    use crate::source::{SourceIdentity, SourceKey};
    use crate::sql::Cell;

    #[test]
    fn an_id_depends_on_the_source_the_mapping_and_the_key() {
        let [source, other] = ["production", "staging"].map(SourceIdentity::named);
        let key = |text: &str| SourceKey::new(vec![Cell::Text(text.to_owned())]);
        let planner = RowPlanner::new(&source, "oauth_session", None);
        let id = planner.id(&key("a"));
        assert_eq!(id, planner.id(&key("a")));
        assert_ne!(id, planner.id(&key("b")));
        assert_ne!(id, RowPlanner::new(&source, "accounts", None).id(&key("a")));
        assert_ne!(id, RowPlanner::new(&other, "oauth_session", None).id(&key("a")));
        assert_eq!(id.as_uuid().get_version_num(), 8);
        let of = |source, name, table| move_id(source, [(name, table)].into_iter());
        assert_ne!(of(&source, "a", "b"), of(&source, "ab", ""));
        assert_ne!(of(&source, "a", "b"), of(&other, "a", "b"));
    }
}
