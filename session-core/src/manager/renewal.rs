//! Renewing a session's tokens: in a task of its own, once per session in all processes.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OwnedSemaphorePermit;

use super::error::{TokenError, TokenErrorKind};
use super::flight::{Flight, Outcome, Renewed};
use super::inner::Inner;
use super::lease::{Bid, Held};
use crate::event::{Event, EventKind, RenewalFailure};
use crate::policy::Freshness;
use crate::provider::{Provider, ProviderError, ProviderErrorKind};
use crate::session::{ProviderName, Session, SessionId};
use crate::store::StoredSession;
use crate::token::{TokenResponse, TokenSet};

/// Why somebody wants other tokens than the stored ones.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// They are due.
    Due,
    /// A resource server has rejected this access token.
    Rejected(SecretString),
}

/// How often a row that others change is read again before the attempt is given up.
pub(super) const MOST_ROUNDS: u32 = 16;

/// How long a caller is asked to wait after a failure that has no time of its own.
pub(super) const SOON: Duration = Duration::from_secs(1);

/// The renewal of a session: the one under way, or a new one in a task of its own. Whoever drops
/// the flight stops nothing.
pub(super) fn begin(inner: &Arc<Inner>, session: &Session, wish: Wish) -> Flight {
    let (id, provider) = (session.id, session.provider.clone());
    let (flight, sender) = inner.flights.join(id);
    if let Some(sender) = sender {
        let inner = Arc::clone(inner);
        let task = Arc::clone(&inner);
        inner.tasks.spawn(async move {
            let boarding = task.flights.board(id, sender);
            let outcome = Renewing { inner: &task, id, wish }.run().await;
            if let Err(error) = &outcome {
                tracing::info!(session = %id, %provider, %error, "no renewed token");
            }
            boarding.land(outcome);
        });
    }
    flight
}

/// A row as it was read, with its tokens opened.
pub(super) struct Opened {
    pub(super) row: StoredSession,
    pub(super) tokens: Arc<TokenSet>,
}

impl Opened {
    pub(super) fn renewed(self) -> Renewed {
        Renewed { session: self.row.session, tokens: self.tokens }
    }
}

/// One attempt at a renewal.
pub(super) struct Renewing<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) id: SessionId,
    wish: Wish,
}

impl Renewing<'_> {
    async fn run(&self) -> Outcome {
        for _ in 0..MOST_ROUNDS {
            let opened = self.read().await?;
            if !self.is_needed(&opened) {
                return Ok(opened.renewed());
            }
            let provider = self.may_ask(&opened).await?;
            match self.inner.win_lease(&opened.row).await? {
                Bid::Closing => return Err(TokenError::unavailable(SOON)),
                Bid::RowChanged => {}
                Bid::Won(mut held) => {
                    let outcome = self.with_lease(provider, &mut held).await;
                    if !(held.was_taken_over && is_open(outcome.as_ref())) {
                        self.inner.give_back(self.id, &held).await;
                    }
                    if let Some(outcome) = outcome {
                        return outcome;
                    }
                }
            }
        }
        Err(TokenError::unavailable(SOON))
    }

    /// The row as it is now; not the one that the request had in its hands (F3).
    pub(super) async fn read(&self) -> Result<Opened, TokenError> {
        let inner = self.inner;
        let row = inner.bounded(inner.store.find(self.id)).await?;
        let row = row.ok_or(TokenError::new(TokenErrorKind::NotFound))?;
        let ended = row.session.ended.map(|ended| ended.reason);
        if let Some(reason) = ended.or_else(|| inner.timed_out(&row, inner.now())) {
            return Err(TokenError::new(TokenErrorKind::Ended(reason)));
        }
        let tokens = Arc::new(inner.open_tokens(&row)?);
        Ok(Opened { row, tokens })
    }

    /// An expired token is of no use to anybody, whatever this renewal was begun for: others may
    /// have joined it.
    fn is_needed(&self, opened: &Opened) -> bool {
        match (&self.wish, self.freshness(opened)) {
            (_, Freshness::Expired) | (Wish::Due, Freshness::Due) => true,
            (Wish::Due, Freshness::Fresh) => false,
            (Wish::Rejected(token), _) => opened.tokens.is_access_token(token.expose_secret()),
        }
    }

    fn freshness(&self, opened: &Opened) -> Freshness {
        let spread = opened.row.session.id.spread();
        self.inner.freshness(&opened.tokens, spread, self.inner.now())
    }

    /// The provider, if it may be asked now and there is a refresh token to send.
    async fn may_ask(&self, opened: &Opened) -> Result<&Arc<dyn Provider>, TokenError> {
        let (inner, session) = (self.inner, &opened.row.session);
        let provider = inner.provider(&session.provider);
        let sign_in_needed = TokenError::new(TokenErrorKind::SignInNeeded);
        let provider = provider.filter(|_| opened.tokens.refresh_token().is_some());
        let provider = provider.ok_or(sign_in_needed)?;
        let paused = inner.gates.pause(&session.provider, self.id, inner.clock.monotonic());
        let too_soon = self.too_soon_after_rejection(opened);
        match paused.max(too_soon) {
            Some(pause) => return Err(TokenError::unavailable(pause)),
            None if inner.tasks.is_closing() => return Err(TokenError::unavailable(SOON)),
            None => {}
        }
        // Until the switch of its move the other system spends this refresh token.
        match inner.held_for(session).await? {
            Some(held) => Err(TokenError::unavailable(held)),
            None => Ok(provider),
        }
    }

    /// A resource server that rejects each new token must not make us spend one after the other.
    fn too_soon_after_rejection(&self, opened: &Opened) -> Option<Duration> {
        let is_for_rejection = matches!(self.wish, Wish::Rejected(_));
        if !is_for_rejection || self.freshness(opened) == Freshness::Expired {
            return None;
        }
        let renewed_at = opened.row.session.renewed_at?;
        let passed = self.inner.now().since(renewed_at);
        let left = self.inner.policy.renewal().min_interval.saturating_sub(passed);
        (!left.is_zero()).then_some(left)
    }

    /// Renews under a lease; `None`: the lease was lost before anything was sent.
    async fn with_lease(&self, provider: &Arc<dyn Provider>, held: &mut Held) -> Option<Outcome> {
        match self.ask_and_keep(provider, held).await {
            Ok(outcome) => outcome.map(Ok),
            Err(error) => Some(Err(error)),
        }
    }

    async fn ask_and_keep(
        &self,
        provider: &Arc<dyn Provider>,
        held: &mut Held,
    ) -> Result<Option<Renewed>, TokenError> {
        // Another process may have renewed between the reading and the lease.
        let opened = self.read().await?;
        if !self.is_needed(&opened) {
            return Ok(Some(opened.renewed()));
        }
        let inner = self.inner;
        let place = inner.beating(self.id, held, self.place(&opened.row.session.provider)).await;
        // While this waited for its turn, the provider may have asked to be left alone.
        self.may_ask(&opened).await?;
        if !inner.may_send(self.id, held).await? {
            return Ok(None);
        }
        let asked = self.ask(provider, &opened.tokens);
        let answer = inner.beating(self.id, held, asked).await;
        drop(place);
        match answer {
            Ok(response) => {
                inner.gates.succeeded(&opened.row.session.provider, self.id);
                self.keep(opened, response, held).await.map(Some)
            }
            Err(error) if error.is_refused() => self.refused(opened, held).await.map(Some),
            Err(error) => Err(self.failed(&opened, error).await),
        }
    }

    /// A turn to ask the provider; none at a shutdown.
    async fn place(&self, provider: &ProviderName) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            () = self.inner.tasks.closing() => None,
            place = self.inner.gates.places(provider).acquire_owned() => place.ok(),
        }
    }

    async fn ask(
        &self,
        provider: &Arc<dyn Provider>,
        tokens: &TokenSet,
    ) -> Result<TokenResponse, ProviderError> {
        let bound = self.inner.clock.sleep(self.inner.policy.renewal().provider_timeout);
        tokio::select! {
            biased;
            answer = provider.renew(tokens) => answer,
            () = bound => Err(ProviderError::new(ProviderErrorKind::Unavailable)
                .caused_by("no answer in time")),
        }
    }

    /// Everything but a refusal keeps the session (F7): note it, and leave the provider alone.
    async fn failed(&self, opened: &Opened, error: ProviderError) -> TokenError {
        let (inner, session) = (self.inner, &opened.row.session);
        let now = inner.clock.monotonic();
        let pause = inner.gates.failed(&session.provider, self.id, &error, now);
        tracing::warn!(session = %self.id, provider = %session.provider, %error, "renewal failed");
        self.record(session, failure(error.kind())).await;
        TokenError::unavailable(pause).caused_by(error)
    }

    pub(super) async fn record(&self, session: &Session, failure: RenewalFailure) {
        let event = Event {
            session: session.id,
            user: session.user.clone(),
            provider: session.provider.clone(),
            kind: EventKind::RenewalFailed(failure),
            at: self.inner.now(),
        };
        if let Err(error) = self.inner.bounded(self.inner.store.record(event)).await {
            tracing::warn!(%error, "a failed renewal was not recorded");
        }
    }
}

/// Whether an attempt leaves open what becomes of the refresh token.
///
/// A lease that was taken over is then not given back: whoever comes next must watch it, and so
/// learns that a former owner may still write.
fn is_open(outcome: Option<&Outcome>) -> bool {
    match outcome {
        None => true,
        Some(Ok(_)) => false,
        Some(Err(error)) => {
            !matches!(error.kind(), TokenErrorKind::Ended(_) | TokenErrorKind::NotFound)
        }
    }
}

const fn failure(kind: ProviderErrorKind) -> RenewalFailure {
    match kind {
        ProviderErrorKind::Misconfigured | ProviderErrorKind::Unsupported => {
            RenewalFailure::Misconfigured
        }
        ProviderErrorKind::Throttled => RenewalFailure::Throttled,
        ProviderErrorKind::Refused => RenewalFailure::Refused,
        ProviderErrorKind::Malformed | ProviderErrorKind::Unavailable => {
            RenewalFailure::Unavailable
        }
    }
}
