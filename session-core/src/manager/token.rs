//! A valid access token for a session.

use std::sync::Arc;

use secrecy::SecretString;

use super::error::{DEFAULT_RETRY_AFTER, TokenError, TokenErrorKind};
use super::live::{LiveSession, renew_beside};
use super::manager::{Inner, SessionManager};
use super::renewal::{RenewalOutcome, RenewalReason, Renewed, begin, begin_for};
use super::row;
use crate::policy::Freshness;
use crate::provider::ResourceGrant;
use crate::session::{Session, SessionId, UserId};
use crate::store::StoredSession;
use crate::token::{Resource, ResourceToken, TokenSet};

/// How many renewals that were started for another reason are waited for before giving up.
const MAX_JOINED_RENEWALS: u32 = 32;

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
        let (row, tokens) = used(inner, user, id).await?;
        let freshness = row::renewal_schedule(inner, &row.session, &tokens).freshness(inner.now());
        match (freshness, tokens.refresh_token()) {
            (Freshness::Fresh, _) | (Freshness::Due, None) => Ok(tokens),
            (Freshness::Expired, None) => Err(TokenError::new(TokenErrorKind::SignInNeeded)),
            (Freshness::Due, Some(_)) => {
                drop(begin(inner, &row.session, RenewalReason::Due));
                Ok(tokens)
            }
            (Freshness::Expired, Some(_)) => Ok(renewed(inner, &row.session).await?.tokens),
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
        let row = row::find_live(&self.inner, Some(user), id).await?;
        let reason = RenewalReason::Rejected(SecretString::from(rejected));
        // A renewal that another request started may have found the rejected token fresh.
        let is_other = |renewed: &Renewed| !renewed.tokens.is_access_token(rejected);
        Ok(renewed_until(&self.inner, &row.session, reason, None, is_other).await?.tokens)
    }

    /// Returns an access token of a session for a further resource, fetched with the session's one
    /// refresh token (RFC 8707) or its access token (RFC 8693), as the provider's
    /// [`resource_grant`](crate::Provider::resource_grant) says, unless a valid one is stored with the
    /// session.
    ///
    /// All that is fetched for one session is fetched one after the other, so that no refresh token
    /// is sent twice (F24); who asks for the same shares the result. A session keeps the tokens of
    /// the sixteen resources that were fetched last. Counts as a use like
    /// [`access_token`](Self::access_token).
    ///
    /// # Errors
    ///
    /// Returns a [`TokenError`] like [`access_token`](Self::access_token); of the kind
    /// `ResourceRefused` if the provider issues no token for this resource or scope, or the provider
    /// does not implement [`renew_for`](crate::Provider::renew_for).
    pub async fn access_token_for(
        &self,
        user: &UserId,
        id: SessionId,
        resource: &Resource,
    ) -> Result<ResourceToken, TokenError> {
        let (row, tokens) = used(&self.inner, user, id).await?;
        resource_token(&self.inner, &row.session, &tokens, resource).await
    }

    /// Returns another access token for a resource than one that it has rejected, like
    /// [`access_token_after_rejection`](Self::access_token_after_rejection).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`access_token_for`](Self::access_token_for).
    pub async fn access_token_for_after_rejection(
        &self,
        user: &UserId,
        id: SessionId,
        resource: &Resource,
        rejected: &str,
    ) -> Result<ResourceToken, TokenError> {
        let inner = &self.inner;
        let row = row::find_live(inner, Some(user), id).await?;
        let tokens = row::open_tokens(inner, &row)?;
        let reason = RenewalReason::Rejected(SecretString::from(rejected));
        let is_other = |token: &ResourceToken| !token.is_access_token(rejected);
        ready_to_exchange(inner, &row.session, &tokens).await?;
        fetched(inner, &row.session, reason, resource, is_other).await
    }
}

/// Reads a session for a caller without a cookie, which counts as a use if it has none.
async fn used(
    inner: &Arc<Inner>,
    user: &UserId,
    id: SessionId,
) -> Result<(StoredSession, Arc<TokenSet>), TokenError> {
    let row = row::find_live(inner, Some(user), id).await?;
    if row.digests.current.is_none() {
        let state = row::local_state(inner, &row.session);
        row::note_use(inner, &state, inner.now());
    }
    let tokens = Arc::new(row::open_tokens(inner, &row)?);
    Ok((row, tokens))
}

/// Returns the access token for a further resource of a session whose tokens were read a moment ago.
pub(crate) async fn resource_token(
    inner: &Arc<Inner>,
    session: &Session,
    tokens: &TokenSet,
    resource: &Resource,
) -> Result<ResourceToken, TokenError> {
    let known = tokens.resource_token(resource);
    let known = known.map(|token| (token, row::resource_freshness(inner, session, token)));
    match known {
        Some((token, Freshness::Fresh)) => Ok(token.clone()),
        Some((token, Freshness::Due)) => {
            // The main one first, where it is what another one is fetched with.
            let of = Some(resource).filter(|_| !needs_main_token(inner, session, tokens));
            if of.is_some() || tokens.refresh_token().is_some() {
                drop(begin_for(inner, session, RenewalReason::Due, of));
            }
            Ok(token.clone())
        }
        Some((_, Freshness::Expired)) | None => {
            ready_to_exchange(inner, session, tokens).await?;
            fetched(inner, session, RenewalReason::Due, resource, |_| true).await
        }
    }
}

/// Renews the main access token first, where it is what another one is fetched with and is due.
async fn ready_to_exchange(
    inner: &Arc<Inner>,
    session: &Session,
    tokens: &TokenSet,
) -> Result<(), TokenError> {
    if !needs_main_token(inner, session, tokens) {
        return Ok(());
    }
    let is_expired =
        row::renewal_schedule(inner, session, tokens).freshness(inner.now()) == Freshness::Expired;
    match (tokens.refresh_token(), is_expired) {
        (Some(_), true) => renewed(inner, session).await.map(drop),
        // It is valid still: a renewal that fails is no reason to fail here.
        (Some(_), false) => {
            let _ = renewed(inner, session).await;
            Ok(())
        }
        (None, true) => Err(TokenError::new(TokenErrorKind::SignInNeeded)),
        (None, false) => Ok(()),
    }
}

/// Returns whether the access token is exchanged for others, and does not last: a provider refuses one
/// that expires on the way to it.
fn needs_main_token(inner: &Inner, session: &Session, tokens: &TokenSet) -> bool {
    let provider = inner.provider(&session.provider);
    let is_exchanged = provider.is_some_and(|of| of.resource_grant() == ResourceGrant::AccessToken);
    let schedule = row::renewal_schedule(inner, session, tokens);
    is_exchanged && schedule.freshness(inner.now()) != Freshness::Fresh
}

async fn fetched(
    inner: &Arc<Inner>,
    session: &Session,
    reason: RenewalReason,
    resource: &Resource,
    accepts: impl Fn(&ResourceToken) -> bool,
) -> Result<ResourceToken, TokenError> {
    let is_fresh = |token: &ResourceToken| {
        row::resource_freshness(inner, session, token) != Freshness::Expired
    };
    let has_token = |renewed: &Renewed| {
        let token = renewed.tokens.resource_token(resource);
        token.is_some_and(|token| is_fresh(token) && accepts(token))
    };
    let renewed = renewed_until(inner, session, reason, Some(resource), has_token).await?;
    let token = renewed.tokens.resource_token(resource).cloned();
    token.ok_or_else(|| TokenError::unavailable(DEFAULT_RETRY_AFTER))
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
    let renewed = renewed(inner, live.session()).await?;
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

/// Renews the main access token, which has expired.
async fn renewed(inner: &Arc<Inner>, session: &Session) -> RenewalOutcome {
    let is_valid = |renewed: &Renewed| {
        let schedule = row::renewal_schedule(inner, &renewed.session, &renewed.tokens);
        schedule.freshness(inner.now()) != Freshness::Expired
    };
    renewed_until(inner, session, RenewalReason::Due, None, is_valid).await
}

/// Waits for renewals, for at most the policy's `max_renewal_wait`, until one brings what is needed;
/// they go on either way. The session's renewal in progress may be for something else, whose trouble
/// is not this caller's.
async fn renewed_until(
    inner: &Arc<Inner>,
    session: &Session,
    reason: RenewalReason,
    resource: Option<&Resource>,
    is_enough: impl Fn(&Renewed) -> bool,
) -> RenewalOutcome {
    let renewals = async {
        for _ in 0..MAX_JOINED_RENEWALS {
            let renewal = begin_for(inner, session, reason.clone(), resource)?;
            let is_own = renewal.is_for(resource);
            match renewal.outcome().await {
                Ok(renewed) if is_enough(&renewed) => return Ok(renewed),
                // It has asked the provider for this, and there is nothing better to be had.
                Ok(renewed) if is_own && matches!(reason, RenewalReason::Due) => {
                    return Ok(renewed);
                }
                Err(error) if is_own || error.needs_sign_in() => return Err(error),
                _ => {}
            }
        }
        Err(TokenError::unavailable(DEFAULT_RETRY_AFTER))
    };
    tokio::select! {
        biased;
        outcome = renewals => outcome,
        () = inner.clock.sleep(inner.policy.renewal().max_wait) => {
            Err(TokenError::unavailable(DEFAULT_RETRY_AFTER))
        }
    }
}
