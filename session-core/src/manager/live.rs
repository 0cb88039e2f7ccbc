//! A session that was found, opened and is in use.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::inner::{Inner, SessionManager};
use super::presence::{EndedSignal, Presence};
use super::renewal;
use crate::clock::Timestamp;
use crate::policy::{Freshness, Milestones, SessionPolicy, Timeouts, rotation};
use crate::session::{SecretDigest, Session};
use crate::store::{Digests, PreviousDigest, StoredSession};
use crate::token::{SealedTokens, TokenSet};

/// A live session with its opened tokens: what a cache may keep for the policy's `max_staleness`.
///
/// Plain values, but for the signal that it is over.
#[derive(Clone)]
pub struct LiveSession {
    session: Session,
    tokens: Arc<TokenSet>,
    /// The tokens as they lay in the row; `None` for those that were renewed after it was read.
    sealed: Option<Arc<SealedTokens>>,
    /// The old secret that found it, if it was not the current one.
    pub(crate) found_by_previous: Option<PreviousDigest>,
    timeouts: Timeouts,
    /// The access token's; beside the rest, so that a request need not look into the tokens.
    milestones: Option<Milestones>,
    presence: Arc<Presence>,
    /// The clock's monotonic reading before its row was read.
    read_at: Duration,
}

/// What may be done with a session that was kept in a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validity {
    /// Serve it; but its access token has expired.
    TokenExpired,
    /// Serve it.
    Usable,
    /// Forget it and resolve the digest again.
    Stale,
}

pub(super) struct Found {
    pub(super) session: Session,
    pub(super) tokens: Arc<TokenSet>,
    pub(super) sealed: Option<SealedTokens>,
    pub(super) digests: Digests,
    pub(super) presented: SecretDigest,
    pub(super) read_at: Duration,
}

impl LiveSession {
    pub(super) fn new(found: Found, policy: &SessionPolicy, presence: Arc<Presence>) -> Self {
        let Found { session, tokens, sealed, digests, presented, read_at } = found;
        let timeouts = policy.timeouts(&session.provider);
        let milestones = milestones(policy, &session, &tokens);
        let by_previous = |previous: &PreviousDigest| previous.digest == presented;
        let found_by_previous = digests.previous.filter(by_previous);
        let sealed = sealed.map(Arc::new);
        Self { session, tokens, sealed, found_by_previous, timeouts, milestones, presence, read_at }
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Its tokens, as they were read.
    #[must_use]
    pub const fn tokens(&self) -> &Arc<TokenSet> {
        &self.tokens
    }

    /// The last use that this process knows of.
    #[must_use]
    pub fn last_seen_at(&self) -> Timestamp {
        self.presence.last_seen_at().max(self.session.last_seen_at)
    }

    /// When the session ends however much it is used.
    #[must_use]
    pub fn absolute_deadline(&self) -> Option<Timestamp> {
        self.timeouts.absolute_deadline(self.session.timeouts_from)
    }

    /// A signal that completes when the session is over.
    #[must_use]
    pub fn ended_signal(&self) -> EndedSignal {
        EndedSignal::of(&self.presence)
    }

    /// This session with tokens that were renewed after it was read.
    #[must_use]
    pub(super) fn with_tokens(
        &self,
        session: Session,
        tokens: Arc<TokenSet>,
        policy: &SessionPolicy,
    ) -> Self {
        let milestones = milestones(policy, &session, &tokens);
        Self { session, tokens, sealed: None, milestones, ..self.clone() }
    }

    /// The opened tokens, if this row still holds them sealed byte for byte as they were opened.
    pub(super) fn tokens_sealed_as_in(&self, row: &StoredSession) -> Option<Arc<TokenSet>> {
        let (mine, theirs) = (&self.session, &row.session);
        let same_place =
            (mine.id, &mine.user, &mine.provider) == (theirs.id, &theirs.user, &theirs.provider);
        let is_same = same_place && self.sealed.as_deref() == row.tokens.as_ref();
        (is_same && self.sealed.is_some()).then(|| Arc::clone(&self.tokens))
    }

    /// How far the access token is.
    pub(super) fn freshness(&self, now: Timestamp) -> Freshness {
        self.milestones.map_or(Freshness::Fresh, |milestones| milestones.freshness(now))
    }

    pub(super) const fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    /// Whether this process knows that it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.presence.is_over()
    }

    fn is_void(&self, max_staleness: Duration, monotonic: Duration, now: Timestamp) -> bool {
        let is_old_secret = self.found_by_previous.is_some_and(|previous| {
            !rotation::is_previous_accepted(previous.rotated_at, previous.confirmed_at, now)
        });
        let is_stale = monotonic.saturating_sub(self.read_at) >= max_staleness;
        let last_seen_at = self.last_seen_at();
        is_stale
            || is_old_secret
            || self.is_over()
            || self.timeouts.reached(self.session.timeouts_from, last_seen_at, now).is_some()
    }
}

fn milestones(policy: &SessionPolicy, session: &Session, tokens: &TokenSet) -> Option<Milestones> {
    let (received_at, expires_at) = (tokens.received_at(), tokens.expires_at());
    policy.renewal().milestones(received_at, expires_at, session.id.spread())
}

impl SessionManager {
    /// What may be done with a session that a cache kept. If it may be served, this is a use of
    /// it: the last use is noted, and a renewal that is due begins beside the request.
    ///
    /// Takes no lock and makes no query where nothing is due.
    pub(crate) fn validity_of(&self, live: &LiveSession) -> Validity {
        let inner = &self.inner;
        let now = inner.now();
        if live.is_void(inner.policy.max_staleness(), inner.clock.monotonic(), now) {
            return Validity::Stale;
        }
        inner.note_use(&live.presence, now);
        inner.renew_if_due(live, now)
    }
}

impl Inner {
    /// Notes a use, and writes it in a task of its own if it is time to.
    pub(super) fn note_use(self: &Arc<Self>, presence: &Arc<Presence>, now: Timestamp) {
        let interval = self.policy.touch_interval();
        if presence.note_use(now, interval) {
            let (inner, presence) = (Arc::clone(self), Arc::clone(presence));
            self.tasks.spawn(async move {
                if let Err(error) = inner.bounded(inner.store.touch(presence.id(), now)).await {
                    tracing::warn!(%error, "the last use of a session was not written");
                    presence.unwrite_use(interval);
                }
            });
        }
    }

    /// Begins a renewal if one is due; nobody waits for it while the token is valid.
    pub(super) fn renew_if_due(self: &Arc<Self>, live: &LiveSession, now: Timestamp) -> Validity {
        match live.freshness(now) {
            Freshness::Fresh => Validity::Usable,
            Freshness::Expired => Validity::TokenExpired,
            Freshness::Due => {
                if self.may_renew(live) {
                    drop(renewal::begin(self, live.session(), renewal::Wish::Due));
                }
                Validity::Usable
            }
        }
    }

    /// Whether a renewal could ask for new tokens now: each request of a session that is due would
    /// else begin one that reads the row, and then only waits for the end of a pause.
    fn may_renew(&self, live: &LiveSession) -> bool {
        let Session { id, provider, .. } = live.session();
        live.tokens.refresh_token().is_some()
            && self.provider(provider).is_some()
            && self.gates.pause(provider, *id, self.clock.monotonic()).is_none()
            && self.holds.left(*id, self.clock.monotonic()).is_none()
    }

    pub(super) fn freshness(&self, tokens: &TokenSet, spread: u64, now: Timestamp) -> Freshness {
        let renewal = self.policy.renewal();
        renewal.freshness(tokens.received_at(), tokens.expires_at(), now, spread)
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
