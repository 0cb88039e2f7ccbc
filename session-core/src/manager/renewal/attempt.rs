//! One attempt at a renewal: why, of which row, and whether the provider may be asked.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::single_flight::Renewed;
use crate::error_chain::ErrorChain;
use crate::event::{Event, EventKind, RenewalFailure};
use crate::manager::error::{DEFAULT_RETRY_AFTER, TokenError, TokenErrorKind};
use crate::manager::manager::Inner;
use crate::manager::row;
use crate::policy::Freshness;
use crate::provider::{Provider, ResourceGrant};
use crate::session::{Session, SessionId};
use crate::store::StoredSession;
use crate::token::{Resource, TokenSet};

/// Why other tokens than the stored ones are needed.
#[derive(Debug, Clone)]
pub(in crate::manager) enum RenewalReason {
    /// They are due.
    Due,
    /// They belong to a connection that is not used, and are renewed to keep it.
    KeepAlive,
    /// A resource server has rejected this access token.
    Rejected(SecretString),
}

/// How often a row that others keep changing is read again before a renewal gives up.
pub(super) const MAX_ROUNDS: u32 = 16;

/// A row as it was read, with its tokens opened.
pub(super) struct OpenedRow {
    pub(super) row: StoredSession,
    pub(super) tokens: Arc<TokenSet>,
}

impl OpenedRow {
    pub(super) fn into_renewed(self) -> Renewed {
        Renewed { session: self.row.session, tokens: self.tokens }
    }
}

/// One attempt at a renewal.
pub(super) struct RenewalAttempt<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) id: SessionId,
    pub(super) reason: RenewalReason,
    /// The further resource that a token is needed for; `None` for the main one.
    pub(super) resource: Option<Resource>,
}

impl RenewalAttempt<'_> {
    /// Reads the row as it is now, which may differ from the one that the request has (F3).
    pub(super) async fn read(&self) -> Result<OpenedRow, TokenError> {
        self.open(row::find_live(self.inner, None, self.id).await?)
    }

    /// Opens the tokens of a row.
    pub(super) fn open(&self, row: StoredSession) -> Result<OpenedRow, TokenError> {
        let tokens = Arc::new(row::open_tokens(self.inner, &row)?);
        Ok(OpenedRow { row, tokens })
    }

    /// Returns whether the provider must be asked. An expired token is always renewed, whatever
    /// this renewal was started for: other callers may have joined it.
    pub(super) fn is_needed(&self, opened: &OpenedRow) -> bool {
        if let Some(resource) = &self.resource {
            return self.is_needed_for(resource, opened);
        }
        if matches!(self.reason, RenewalReason::KeepAlive)
            && row::is_kept_alive_now(self.inner, &opened.row.session)
        {
            return true;
        }
        match (&self.reason, self.freshness(opened)) {
            (_, Freshness::Expired) | (RenewalReason::Due, Freshness::Due) => true,
            (RenewalReason::Due, Freshness::Fresh) | (RenewalReason::KeepAlive, _) => false,
            (RenewalReason::Rejected(token), _) => {
                opened.tokens.is_access_token(token.expose_secret())
            }
        }
    }

    fn is_needed_for(&self, resource: &Resource, opened: &OpenedRow) -> bool {
        let Some(token) = opened.tokens.resource_token(resource) else { return true };
        let freshness = row::resource_freshness(self.inner, &opened.row.session, token);
        match (&self.reason, freshness) {
            (_, Freshness::Expired) | (RenewalReason::Due, Freshness::Due) => true,
            (RenewalReason::Due, Freshness::Fresh) | (RenewalReason::KeepAlive, _) => false,
            (RenewalReason::Rejected(rejected), _) => {
                token.is_access_token(rejected.expose_secret())
            }
        }
    }

    fn freshness(&self, opened: &OpenedRow) -> Freshness {
        let schedule = row::renewal_schedule(self.inner, &opened.row.session, &opened.tokens);
        schedule.freshness(self.inner.now())
    }

    /// Returns the provider, if it may be asked now and there is a token to send.
    pub(super) async fn provider_to_ask(
        &self,
        opened: &OpenedRow,
    ) -> Result<&Arc<dyn Provider>, TokenError> {
        let (inner, session) = (self.inner, &opened.row.session);
        let provider = inner.provider(&session.provider);
        let sign_in_needed = TokenError::new(TokenErrorKind::SignInNeeded);
        let may_help = !inner.backoff.needs_sign_in(session, inner.clock.monotonic());
        let provider = provider.filter(|_| may_help).ok_or(sign_in_needed)?;
        self.check_grant(opened)?;
        let backoff = inner.backoff.pause(&session.provider, self.id, inner.clock.monotonic());
        let since_rejection = self.pause_after_rejection(opened);
        match backoff.max(since_rejection) {
            Some(pause) => return Err(TokenError::unavailable(pause)),
            None if inner.tasks.is_closing() => {
                return Err(TokenError::unavailable(DEFAULT_RETRY_AFTER));
            }
            None => {}
        }
        // Until the cutover of its migration the other system uses this refresh token.
        match row::held_by_migration(inner, session).await? {
            Some(held) => Err(TokenError::unavailable(held)),
            None => Ok(provider),
        }
    }

    /// Returns whether the access token is exchanged for that of a resource.
    pub(super) fn is_exchange(&self, opened: &OpenedRow) -> bool {
        let provider = self.inner.provider(&opened.row.session.provider);
        self.resource.is_some()
            && provider.is_some_and(|of| of.resource_grant() == ResourceGrant::AccessToken)
    }

    /// Checks that there is the token that is sent for another one.
    fn check_grant(&self, opened: &OpenedRow) -> Result<(), TokenError> {
        let is_exchange = self.is_exchange(opened);
        let has_refresh_token = opened.tokens.refresh_token().is_some();
        match is_exchange {
            true if self.freshness(opened) != Freshness::Expired => Ok(()),
            // It has expired while this waited for its turn.
            true if has_refresh_token => Err(TokenError::unavailable(DEFAULT_RETRY_AFTER)),
            false if has_refresh_token => Ok(()),
            _ => Err(TokenError::new(TokenErrorKind::SignInNeeded)),
        }
    }

    /// Returns how long a renewal after a rejection must wait, so that a resource server that
    /// rejects every new token does not use up one after the other.
    fn pause_after_rejection(&self, opened: &OpenedRow) -> Option<Duration> {
        let is_for_rejection = matches!(self.reason, RenewalReason::Rejected(_));
        let session = &opened.row.session;
        let token = self.resource.as_ref().and_then(|of| opened.tokens.resource_token(of));
        let (freshness, received_at) = match (&self.resource, token) {
            (None, _) => (self.freshness(opened), opened.tokens.received_at()),
            (Some(_), None) => return None,
            (Some(_), Some(token)) => {
                (row::resource_freshness(self.inner, session, token), token.received_at())
            }
        };
        // The tokens of the sign-in itself are renewed at once.
        let is_first = session.renewed_at.is_none();
        if !is_for_rejection || freshness == Freshness::Expired || is_first {
            return None;
        }
        // A time that lies ahead was told by another clock. One that is far ahead says nothing, and
        // would keep callers waiting for as long as the clocks differ: this process then counts its
        // own renewals alone.
        let (inner, now) = (self.inner, self.inner.now());
        let (passed, ahead) = (now.since(received_at), received_at.since(now));
        let interval = inner.policy.renewal().min_interval;
        let left = match ahead < interval {
            true => (interval + ahead).saturating_sub(passed),
            false => Duration::ZERO,
        };
        let own = (self.id, self.resource.clone());
        let left = left.max(inner.rejections.left(&own, inner.clock.monotonic()));
        (!left.is_zero()).then_some(left)
    }

    /// Remembers that this process has renewed because of a rejection.
    pub(super) fn note_rejection(&self) {
        if matches!(self.reason, RenewalReason::Rejected(_)) {
            let (inner, own) = (self.inner, (self.id, self.resource.clone()));
            let lasts = inner.policy.renewal().min_interval;
            inner.rejections.begin(own, lasts, inner.clock.monotonic());
        }
    }

    /// Records a failure in the session's events.
    pub(super) async fn record(&self, session: &Session, failure: RenewalFailure) {
        let event = Event::new(session, EventKind::RenewalFailed(failure), self.inner.now());
        if let Err(error) = self.inner.bounded(self.inner.store.record(event)).await {
            tracing::warn!(error = %ErrorChain(&error), "a failed renewal was not recorded");
        }
    }
}
