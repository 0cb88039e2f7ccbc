//! An access token that is good now.

use std::sync::Arc;

use secrecy::SecretString;

use super::error::{TokenError, TokenErrorKind};
use super::flight::Outcome;
use super::inner::{Inner, SessionManager};
use super::live::LiveSession;
use super::renewal::{SOON, Wish, begin};
use crate::policy::Freshness;
use crate::session::SessionId;
use crate::token::TokenSet;

/// How often a renewal that somebody else had begun for another reason is followed by one's own.
const MOST_FLIGHTS: u32 = 3;

impl SessionManager {
    /// A session with tokens that are good now: as it is while its access token is valid, and else
    /// after a renewal, for which this waits.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: a new sign-in is needed, the session has ended, or no token can be had now.
    pub(crate) async fn renewed_if_expired(
        &self,
        live: &Arc<LiveSession>,
    ) -> Result<Arc<LiveSession>, TokenError> {
        let inner = &self.inner;
        if live.freshness(inner.now()) != Freshness::Expired {
            return Ok(Arc::clone(live));
        }
        if live.tokens().refresh_token().is_none() {
            return Err(TokenError::new(TokenErrorKind::SignInNeeded));
        }
        let renewed = inner.wait_for(begin(inner, live.session(), Wish::Due).outcome()).await?;
        Ok(Arc::new(live.with_tokens(renewed.session, renewed.tokens, &inner.policy)))
    }

    /// The tokens of a session, renewed first if the access token has expired; for callers without
    /// a cookie, such as tool clients and jobs.
    ///
    /// Where the session has no cookie, this is a use of it: nothing else shows that its tool client
    /// is alive. A browser's session is used by its requests alone (T3).
    ///
    /// # Errors
    ///
    /// [`TokenError`]: a new sign-in is needed, the session has ended, or no token can be had now.
    ///
    /// # Security
    ///
    /// The caller has made sure that the session is the user's.
    pub async fn access_token(&self, id: SessionId) -> Result<Arc<TokenSet>, TokenError> {
        let inner = &self.inner;
        let row = inner.bounded(inner.store.find(id)).await?;
        let row = row.ok_or(TokenError::new(TokenErrorKind::NotFound))?;
        let ended = row.session.ended.map(|ended| ended.reason);
        if let Some(reason) = ended.or_else(|| inner.timed_out(&row, inner.now())) {
            return Err(TokenError::new(TokenErrorKind::Ended(reason)));
        }
        if row.digests.current.is_none() {
            let presence = inner.presences.of(id, row.session.last_seen_at);
            inner.note_use(&presence, inner.now());
        }
        let tokens = Arc::new(inner.open_tokens(&row)?);
        let freshness = inner.freshness(&tokens, row.session.id.spread(), inner.now());
        match (freshness, tokens.refresh_token()) {
            (Freshness::Fresh, _) | (Freshness::Due, None) => Ok(tokens),
            (Freshness::Expired, None) => Err(TokenError::new(TokenErrorKind::SignInNeeded)),
            (Freshness::Due, Some(_)) => {
                drop(begin(inner, &row.session, Wish::Due));
                Ok(tokens)
            }
            (Freshness::Expired, Some(_)) => {
                let flight = begin(inner, &row.session, Wish::Due);
                Ok(inner.wait_for(flight.outcome()).await?.tokens)
            }
        }
    }

    /// Other tokens than the rejected one: for a caller whose resource server answered 401 although
    /// the token had not expired. The stored ones, if they are others by now; else renewed ones, at
    /// most once in the policy's interval.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: a new sign-in is needed, the session has ended, or no other token can be had
    /// now.
    pub async fn access_token_after_rejection(
        &self,
        id: SessionId,
        rejected: &str,
    ) -> Result<Arc<TokenSet>, TokenError> {
        let inner = &self.inner;
        for _ in 0..MOST_FLIGHTS {
            let row = inner.bounded(inner.store.find(id)).await?;
            let row = row.ok_or(TokenError::new(TokenErrorKind::NotFound))?;
            let wish = Wish::Rejected(SecretString::from(rejected));
            let flight = begin(inner, &row.session, wish);
            let renewed = inner.wait_for(flight.outcome()).await?;
            // Another request's renewal may have found the rejected token still fresh.
            if !renewed.tokens.is_access_token(rejected) {
                return Ok(renewed.tokens);
            }
        }
        Err(TokenError::unavailable(SOON))
    }
}

impl Inner {
    /// The outcome of a renewal, or that it takes too long; the renewal goes on either way.
    async fn wait_for(&self, outcome: impl Future<Output = Outcome>) -> Outcome {
        tokio::select! {
            biased;
            outcome = outcome => outcome,
            () = self.clock.sleep(self.policy.renewal().max_wait) => {
                Err(TokenError::unavailable(SOON))
            }
        }
    }
}
