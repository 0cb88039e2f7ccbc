//! Renewing a session's tokens: in a task of its own, once per session in all processes.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::{TokenError, TokenErrorKind};
use super::flight::{Flight, Outcome, Renewed};
use super::inner::Inner;
use super::lease::{Bid, Held};
use crate::event::{Event, EventKind, RenewalFailure};
use crate::policy::Freshness;
use crate::provider::{Provider, ProviderError, ProviderErrorKind};
use crate::session::{EndReason, Session, SessionId};
use crate::store::{EndTarget, StoredSession};
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
const MOST_ROUNDS: u32 = 16;

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
    fn renewed(self) -> Renewed {
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
            let provider = self.may_ask(&opened)?;
            match self.inner.win_lease(&opened.row).await? {
                Bid::RowChanged => {}
                Bid::Won(mut held) => {
                    let outcome = self.with_lease(provider, &mut held).await;
                    self.inner.give_back(self.id, &held).await;
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
        if let Some(ended) = row.session.ended {
            return Err(TokenError::new(TokenErrorKind::Ended(ended.reason)));
        }
        let tokens = Arc::new(inner.open_tokens(&row)?);
        Ok(Opened { row, tokens })
    }

    fn is_needed(&self, opened: &Opened) -> bool {
        match &self.wish {
            Wish::Due => {
                let spread = opened.row.session.id.spread();
                let now = self.inner.now();
                self.inner.freshness(&opened.tokens, spread, now) != Freshness::Fresh
            }
            Wish::Rejected(token) => opened.tokens.is_access_token(token.expose_secret()),
        }
    }

    /// The provider, if it may be asked now and there is a refresh token to send.
    fn may_ask(&self, opened: &Opened) -> Result<&Arc<dyn Provider>, TokenError> {
        let (inner, session) = (self.inner, &opened.row.session);
        let provider = inner.provider(&session.provider);
        let sign_in_needed = TokenError::new(TokenErrorKind::SignInNeeded);
        let provider = provider.filter(|_| opened.tokens.refresh_token().is_some());
        let provider = provider.ok_or(sign_in_needed)?;
        let paused = inner.gates.pause(&session.provider, self.id, inner.clock.monotonic());
        let too_soon = self.too_soon_after_rejection(session);
        match paused.max(too_soon) {
            Some(pause) => Err(TokenError::unavailable(pause)),
            None if inner.tasks.is_closing() => Err(TokenError::unavailable(SOON)),
            None => Ok(provider),
        }
    }

    /// A resource server that rejects each new token must not make us spend one after the other.
    fn too_soon_after_rejection(&self, session: &Session) -> Option<Duration> {
        let renewed_at = session.renewed_at.filter(|_| matches!(self.wish, Wish::Rejected(_)))?;
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
        let places = inner.gates.places(&opened.row.session.provider);
        let place = inner.beating(self.id, held, places.acquire_owned()).await;
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

    /// The provider refused: the session ends, unless somebody else has new tokens for it (F8).
    async fn refused(&self, opened: Opened, held: &mut Held) -> Result<Renewed, TokenError> {
        let revision = opened.row.session.revision;
        if held.was_taken_over {
            // The former owner may have rotated the token, and still try to write it.
            self.wait_for_former_owner(revision, held).await;
        }
        let now_stored = self.read().await?;
        let is_unchanged = now_stored.tokens.has_refresh_token_of(&opened.tokens);
        if !is_unchanged {
            return Ok(now_stored.renewed());
        }
        let revision = now_stored.row.session.revision;
        let target = EndTarget::Unchanged { id: self.id, revision };
        let inner = self.inner;
        let ended = inner.end(target, EndReason::RenewalRefused, inner.now()).await;
        self.record(&opened.row.session, RenewalFailure::Refused).await;
        match ended {
            Ok(ended) if !ended.is_empty() => {
                Err(TokenError::new(TokenErrorKind::Ended(EndReason::RenewalRefused)))
            }
            Ok(_) => self.read().await.map(Opened::renewed),
            Err(error) => Err(TokenError::unavailable(SOON).caused_by(error)),
        }
    }

    /// Waits one whole term for the row to change, and shows meanwhile that this owner lives. Only
    /// time in which the store could be read counts.
    async fn wait_for_former_owner(&self, revision: u64, held: &mut Held) {
        let inner = self.inner;
        let step = held.lease.term / 8;
        let mut still = Duration::ZERO;
        while still < held.lease.term && !inner.tasks.is_closing() {
            let before = inner.clock.monotonic();
            inner.clock.sleep(step).await;
            match self.read().await {
                Ok(opened) if opened.row.session.revision == revision => {
                    still += inner.clock.monotonic().saturating_sub(before);
                }
                Err(error) if error.is_transient() => still = Duration::ZERO,
                Ok(_) | Err(_) => return,
            }
            drop(inner.beat(self.id, held).await);
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

    async fn record(&self, session: &Session, failure: RenewalFailure) {
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
