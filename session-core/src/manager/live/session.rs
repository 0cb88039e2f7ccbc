//! A session that was found, opened and is in use.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::local_state::{EndedSignal, LocalState};
use crate::clock::Timestamp;
use crate::manager::manager::Inner;
use crate::manager::renewal::{self, RenewalReason};
use crate::manager::row;
use crate::policy::{Freshness, RenewalSchedule};
use crate::session::{Authentication, Origin, SecretDigest, Session};
use crate::store::{Digests, PreviousDigest, StoredSession};
use crate::token::{SealTags, SealedTokens, TokenSet};

/// A live session with its opened tokens.
///
/// Holds plain values, as they were when the row was read, and the signal that the session is over.
#[derive(Clone)]
pub struct LiveSession {
    checked: Checked,
    tokens: Arc<TokenSet>,
    session: Session,
    /// The previous secret that found it, if it was not the current one.
    found_by_previous: Option<PreviousDigest>,
    /// Of the sealed tokens that were opened; `None` for tokens that were not read from the row.
    seal_tags: Option<SealTags>,
}

/// What each cached request checks, side by side: of all that a request does, waiting for memory that
/// is not in the processor's cache takes the longest.
#[derive(Clone)]
struct Checked {
    /// The clock's monotonic reading before the row was read.
    read_at: Duration,
    idle_timeout: Option<Duration>,
    absolute_deadline: Option<Timestamp>,
    schedule: RenewalSchedule,
    /// Until when the previous secret is accepted, if it found the session.
    previous_until: Option<Timestamp>,
    state: Arc<LocalState>,
    /// Whether its secret is still the one that another system gave out.
    has_migrated_secret: bool,
}

/// What may be done with a cached session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validity {
    /// It must be forgotten, and its digest resolved again.
    Stale,
    /// It may be served, but its access token has expired.
    TokenExpired,
    /// It may be served.
    Usable,
}

/// A row as it was read for a request.
pub(in crate::manager) struct ReadSession {
    pub(in crate::manager) session: Session,
    pub(in crate::manager) tokens: Arc<TokenSet>,
    pub(in crate::manager) seal_tags: Option<SealTags>,
    pub(in crate::manager) digests: Digests,
    pub(in crate::manager) presented: SecretDigest,
    pub(in crate::manager) read_at: Duration,
}

impl LiveSession {
    pub(in crate::manager) fn new(inner: &Inner, read: ReadSession) -> Self {
        let ReadSession { mut session, tokens, seal_tags, digests, presented, read_at } = read;
        let is_presented = |previous: &PreviousDigest| previous.digest == presented;
        let found_by_previous = digests.previous.filter(is_presented);
        if found_by_previous.is_some() {
            // The holder of the previous secret may be another one than the user who has
            // authenticated since.
            session.authentication = Authentication::default();
        }
        let timeouts = inner.policy.timeouts(&session.provider);
        let checked = Checked {
            read_at,
            idle_timeout: timeouts.idle,
            absolute_deadline: timeouts.absolute_deadline(session.timeouts_from),
            schedule: row::renewal_schedule(inner, &session, &tokens),
            previous_until: found_by_previous.map(|previous| previous.accepted_until()),
            state: row::local_state(inner, &session),
            has_migrated_secret: session.origin == Origin::Imported && !digests.is_rotated,
        };
        Self { checked, tokens, session, found_by_previous, seal_tags }
    }

    /// Returns the session.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the tokens; the access token may have expired.
    #[must_use]
    pub const fn tokens(&self) -> &Arc<TokenSet> {
        &self.tokens
    }

    /// Returns the last use that this process knows of.
    #[must_use]
    pub fn last_seen_at(&self) -> Timestamp {
        self.state().last_seen_at().max(self.session.last_seen_at)
    }

    /// Returns when the session ends however much it is used; `None` if never.
    #[must_use]
    pub const fn absolute_deadline(&self) -> Option<Timestamp> {
        self.checked.absolute_deadline
    }

    /// Returns a signal that completes when the session is over.
    #[must_use]
    pub fn ended_signal(&self) -> EndedSignal {
        EndedSignal::of(self.state(), self.read_at())
    }

    /// Returns this session with tokens that were renewed after it was read.
    pub(in crate::manager) fn with_tokens(
        &self,
        inner: &Inner,
        mut session: Session,
        tokens: Arc<TokenSet>,
    ) -> Self {
        // The secret that was presented has not shown a later authentication.
        session.authentication.clone_from(&self.session.authentication);
        let schedule = row::renewal_schedule(inner, &session, &tokens);
        let checked = Checked { schedule, ..self.checked.clone() };
        Self { checked, tokens, session, seal_tags: None, ..self.clone() }
    }

    /// Returns the opened tokens if the row holds the same sealed values: by its id and revision, and
    /// by their authentication tags, for whatever writes past the store raises no revision (K2).
    pub(in crate::manager) fn tokens_if_unchanged(
        &self,
        row: &StoredSession,
    ) -> Option<Arc<TokenSet>> {
        let Session { id, revision, .. } = self.session;
        let is_same_row = (id, revision) == (row.session.id, row.session.revision);
        let tags = row.tokens.as_ref().map(SealedTokens::tags);
        (is_same_row && tags.is_some() && tags == self.seal_tags).then(|| Arc::clone(&self.tokens))
    }

    pub(in crate::manager) fn freshness(&self, now: Timestamp) -> Freshness {
        self.checked.schedule.freshness(now)
    }

    pub(in crate::manager) const fn state(&self) -> &Arc<LocalState> {
        &self.checked.state
    }

    pub(crate) const fn found_by_previous(&self) -> Option<PreviousDigest> {
        self.found_by_previous
    }

    pub(crate) const fn has_migrated_secret(&self) -> bool {
        self.checked.has_migrated_secret
    }

    /// Returns about how many bytes of memory the session takes.
    pub(crate) fn memory(&self) -> usize {
        /// What the session takes beside its tokens: this value, ids, labels and the local state.
        const WITHOUT_TOKENS: usize = 1024;
        WITHOUT_TOKENS + self.tokens.memory()
    }

    /// Returns the clock's monotonic reading before the row was read.
    pub(crate) const fn read_at(&self) -> Duration {
        self.checked.read_at
    }
}

impl Checked {
    fn is_stale(&self, max_staleness: Duration, monotonic: Duration, now: Timestamp) -> bool {
        let is_past = |deadline: Option<Timestamp>| deadline.is_some_and(|at| now >= at);
        monotonic.saturating_sub(self.read_at) >= max_staleness
            || self.state.is_stale(self.read_at)
            || is_past(self.absolute_deadline)
            || is_past(self.idle_timeout.map(|idle| self.state.last_seen_at() + idle))
            || is_past(self.previous_until)
    }
}

/// Decides whether a cached session may be served; if it may, notes the use and starts a renewal
/// that is due.
pub(crate) fn revalidate(inner: &Arc<Inner>, live: &LiveSession) -> Validity {
    let (now, monotonic) = inner.clock.now_and_monotonic();
    if live.checked.is_stale(inner.policy.max_staleness(), monotonic, now) {
        return Validity::Stale;
    }
    row::note_use(inner, live.state(), now);
    renew_if_due(inner, live, now)
}

/// Counts as a use of the session.
pub(crate) fn touch(inner: &Arc<Inner>, live: &LiveSession) {
    row::note_use(inner, live.state(), inner.now());
}

/// Starts a renewal if one is due. The request does not wait for it while the token is valid.
pub(in crate::manager) fn renew_if_due(
    inner: &Arc<Inner>,
    live: &LiveSession,
    now: Timestamp,
) -> Validity {
    match live.freshness(now) {
        Freshness::Fresh => Validity::Usable,
        Freshness::Expired => Validity::TokenExpired,
        Freshness::Due => {
            renew_beside(inner, live);
            Validity::Usable
        }
    }
}

/// Starts a renewal for which the request does not wait, if the provider could be asked now.
pub(in crate::manager) fn renew_beside(inner: &Arc<Inner>, live: &LiveSession) {
    if live.tokens.refresh_token().is_some() {
        drop(renewal::begin(inner, live.session(), RenewalReason::Due));
    }
}

impl fmt::Debug for LiveSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSession")
            .field("session", &self.session)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}
