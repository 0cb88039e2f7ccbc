//! A valid access token for a session.

use std::sync::Arc;

use secrecy::SecretString;

use super::error::{DEFAULT_RETRY_AFTER, TokenError, TokenErrorKind};
use super::live::{LiveSession, renew_beside};
use super::manager::{Inner, SessionManager};
use super::renewal::{RenewalOutcome, RenewalReason, begin};
use super::row;
use crate::policy::Freshness;
use crate::session::{Session, SessionId, UserId};
use crate::token::TokenSet;

/// How many renewals that were started for another reason are waited for before giving up.
const MAX_JOINED_RENEWALS: u32 = 3;

/// # Access tokens without a cookie
impl SessionManager {
    /// Returns the tokens of a session, renewed first if the access token has expired; for callers
    /// without a cookie, such as tool clients and jobs.
    ///
    /// Counts as a use of a session without a cookie: nothing else shows that its tool client is
    /// active. A browser's session is used by its requests alone (T3).
    ///
    /// # Errors
    ///
    /// Returns a [`TokenError`] if there is no such session or it belongs to another user, it has
    /// ended, a new sign-in is needed, or no token can be obtained now.
    pub async fn access_token(
        &self,
        user: &UserId,
        id: SessionId,
    ) -> Result<Arc<TokenSet>, TokenError> {
        let inner = &self.inner;
        let row = row::find_live(inner, Some(user), id).await?;
        if row.digests.current.is_none() {
            let state = row::local_state(inner, &row.session);
            row::note_use(inner, &state, inner.now());
        }
        let tokens = Arc::new(row::open_tokens(inner, &row)?);
        let freshness = row::renewal_schedule(inner, &row.session, &tokens).freshness(inner.now());
        match (freshness, tokens.refresh_token()) {
            (Freshness::Fresh, _) | (Freshness::Due, None) => Ok(tokens),
            (Freshness::Expired, None) => Err(TokenError::new(TokenErrorKind::SignInNeeded)),
            (Freshness::Due, Some(_)) => {
                drop(begin(inner, &row.session, RenewalReason::Due));
                Ok(tokens)
            }
            (Freshness::Expired, Some(_)) => {
                Ok(renewed(inner, &row.session, RenewalReason::Due).await?.tokens)
            }
        }
    }

    /// Returns other tokens than a rejected one; for a caller whose resource server answered 401
    /// although the token had not expired. These are the stored tokens if they differ by now;
    /// otherwise renewed ones, at most once in the policy's `min_renewal_interval`.
    ///
    /// # Errors
    ///
    /// Returns a [`TokenError`] if there is no such session or it belongs to another user, it has
    /// ended, a new sign-in is needed, or no other token can be obtained now.
    pub async fn access_token_after_rejection(
        &self,
        user: &UserId,
        id: SessionId,
        rejected: &str,
    ) -> Result<Arc<TokenSet>, TokenError> {
        for _ in 0..MAX_JOINED_RENEWALS {
            let row = row::find_live(&self.inner, Some(user), id).await?;
            let reason = RenewalReason::Rejected(SecretString::from(rejected));
            let renewed = renewed(&self.inner, &row.session, reason).await?;
            // A renewal that another request started may have found the rejected token fresh.
            if !renewed.tokens.is_access_token(rejected) {
                return Ok(renewed.tokens);
            }
        }
        Err(TokenError::unavailable(DEFAULT_RETRY_AFTER))
    }
}

/// Returns a session with a valid access token, renewed first if it has expired.
pub(crate) async fn with_valid_token(
    inner: &Arc<Inner>,
    live: &Arc<LiveSession>,
) -> Result<Arc<LiveSession>, TokenError> {
    if live.freshness(inner.now()) != Freshness::Expired {
        return Ok(Arc::clone(live));
    }
    if live.tokens().refresh_token().is_none() {
        return Err(TokenError::new(TokenErrorKind::SignInNeeded));
    }
    let renewed = renewed(inner, live.session(), RenewalReason::Due).await?;
    Ok(Arc::new(live.with_tokens(inner, renewed.session, renewed.tokens)))
}

/// Returns an error if the session's access token has expired. A renewal then starts beside the
/// request, unless it would have to wait.
pub(crate) fn check_token(inner: &Arc<Inner>, live: &LiveSession) -> Result<(), TokenError> {
    if live.freshness(inner.now()) != Freshness::Expired {
        return Ok(());
    }
    if live.tokens().refresh_token().is_none() {
        return Err(TokenError::new(TokenErrorKind::SignInNeeded));
    }
    renew_beside(inner, live);
    Err(TokenError::new(TokenErrorKind::Expired))
}

/// Waits for a renewal for at most the policy's `max_renewal_wait`; the renewal goes on either way.
async fn renewed(inner: &Arc<Inner>, session: &Session, reason: RenewalReason) -> RenewalOutcome {
    let renewal = begin(inner, session, reason)?;
    tokio::select! {
        biased;
        outcome = renewal.outcome() => outcome,
        () = inner.clock.sleep(inner.policy.renewal().max_wait) => {
            Err(TokenError::unavailable(DEFAULT_RETRY_AFTER))
        }
    }
}
