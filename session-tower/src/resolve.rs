//! The resolver: from what a request presents to its outcome.

use std::fmt;
use std::sync::Arc;

use http::Request;
use session_core::manager::{
    LiveSession, ManagerError, ManagerErrorKind, Resolution, Rotation, TokenErrorKind,
};
use session_core::middleware::{ErrorChain, LiveSessionExt as _, SessionManagerExt as _, Validity};
use session_core::session::SecretDigest;
use session_core::{EndReason, SessionId, SessionManager, UserId};

use crate::cache::SessionCache;
use crate::cookie::{Candidate, PresentedValues, SessionCookie};
use crate::cookie_update::CookieUpdate;
use crate::current::{CurrentSession, EndedSession, PresentedCookie};
use crate::known_user::Binding;
use crate::outage_log::OutageLog;
use crate::outcome::{Lookups, Outcome};
use crate::preflight::is_preflight;
use crate::recent::RecentSignIns;
use crate::rejection::RejectionResponse;

/// What all requests of a layer share.
#[derive(Clone)]
pub(crate) struct Resolver {
    pub(crate) manager: SessionManager,
    pub(crate) cookie: SessionCookie,
    pub(crate) cache: Arc<SessionCache>,
    pub(crate) binding: Binding,
    pub(crate) is_session_required: bool,
    pub(crate) is_fresh_token_required: bool,
    pub(crate) rejection_response: Arc<dyn RejectionResponse>,
    pub(crate) recent_sign_ins: Arc<RecentSignIns>,
    pub(crate) outage_log: Arc<OutageLog>,
}

impl Resolver {
    /// Returns the outcome of a request if no store is needed for it: there is nothing to look up, or
    /// the cache holds the session. Otherwise returns the user whose session it must be, if any.
    pub(crate) fn outcome_now<B>(
        &self,
        presented: &PresentedValues,
        request: &Request<B>,
    ) -> Result<Outcome, Option<UserId>> {
        if presented.is_none() {
            return Ok(Outcome::keeping_cookie(None));
        }
        let Ok(user) = self.binding.user(request.headers(), request.extensions()) else {
            return Ok(Outcome::keeping_cookie(PresentedCookie::among(presented)));
        };
        match self.try_cached(presented, user.as_ref()) {
            Some(current) => Ok(Outcome::Session { current, needs_new_secret: false }),
            None => Err(user),
        }
    }

    /// Returns the session of a request with one cookie if the cache holds it and it may be served
    /// as it is. Takes no lock, waits for nothing and allocates nothing.
    fn try_cached(
        &self,
        presented: &PresentedValues,
        user: Option<&UserId>,
    ) -> Option<CurrentSession> {
        let candidate = presented.single()?;
        let live = self.cache.get(&candidate.digest)?;
        if is_other_users(&live, user) {
            return None;
        }
        // Checked before the validity, which counts as a use.
        if self.needs_new_secret(&live, candidate) {
            return None;
        }
        let token_error = match self.manager.revalidate(&live) {
            Validity::Usable => None,
            Validity::TokenExpired if !self.is_fresh_token_required => {
                self.manager.check_token(&live).err()
            }
            _ => return None,
        };
        self.cache.count_hit();
        Some(CurrentSession::new(live, candidate.digest, token_error))
    }

    pub(crate) fn requires_session<B>(&self, request: &Request<B>) -> bool {
        self.is_session_required && !is_preflight(request)
    }

    /// Resolves the request's session where the cache alone cannot.
    pub(crate) async fn resolve(
        self: Arc<Self>,
        presented: PresentedValues,
        user: Option<UserId>,
    ) -> Outcome {
        let may_clear = match presented.candidates().next() {
            // A user who is known may look at another user's live session.
            Some(_) => user.is_none(),
            None => self.cookie.is_prefixed(),
        };
        let mut lookups = Lookups::new(may_clear);
        for candidate in presented.candidates() {
            let answer = self.look_up(candidate, user.as_ref()).await;
            if let Err(error) = &answer
                && error.kind() != ManagerErrorKind::Unreadable
            {
                self.outage_log.report(error, self.manager.now());
            }
            if let Err(rejection) = lookups.add(*candidate, answer) {
                return Outcome::Rejected(rejection);
            }
        }
        match lookups.conclude(PresentedCookie::among(&presented)) {
            Ok((live, candidate)) => {
                self.enter(live, &candidate).await.unwrap_or_else(|outcome| outcome)
            }
            Err(outcome) => outcome,
        }
    }

    /// Looks one value up, together with all other requests that present it at this moment.
    async fn look_up(
        self: &Arc<Self>,
        candidate: &Candidate,
        user: Option<&UserId>,
    ) -> Result<Resolution, Arc<ManagerError>> {
        let digest = candidate.digest;
        let live = self.cache.get(&digest);
        if let Some(resolution) = live.and_then(|live| self.cached(&live, user)) {
            self.cache.count_hit();
            return Ok(resolution);
        }
        let (resolver, user) = (Arc::clone(self), user.cloned());
        let read = {
            let user = user.clone();
            async move { resolver.read(&digest, user.as_ref()).await.map_err(Arc::new) }
        };
        self.cache.shared_read(&digest, user, read).await
    }

    async fn read(
        &self,
        digest: &SecretDigest,
        user: Option<&UserId>,
    ) -> Result<Resolution, ManagerError> {
        let from_entry = |live: &Arc<LiveSession>| self.cached(live, user);
        let read = |known: Option<Arc<LiveSession>>| async move {
            self.manager.resolve_again(digest, user, known.as_deref()).await
        };
        self.cache.read_through(digest, from_entry, read).await
    }

    fn cached(&self, live: &Arc<LiveSession>, user: Option<&UserId>) -> Option<Resolution> {
        if is_other_users(live, user) {
            return Some(Resolution::Unknown);
        }
        let is_current = self.manager.revalidate(live) != Validity::Stale;
        is_current.then(|| Resolution::Live(Arc::clone(live)))
    }

    /// Lets a request in with its session. Returns the other outcome if the session turns out to
    /// be over.
    async fn enter(
        &self,
        live: Arc<LiveSession>,
        candidate: &Candidate,
    ) -> Result<Outcome, Outcome> {
        let presented = PresentedCookie::new(candidate.digest);
        let (live, token_error) = if self.is_fresh_token_required {
            (self.with_fresh_token(&live, presented).await?, None)
        } else {
            let token_error = self.manager.check_token(&live).err();
            (live, token_error)
        };
        let needs_new_secret = self.needs_new_secret(&live, candidate);
        let current = CurrentSession::new(live, candidate.digest, token_error);
        Ok(Outcome::Session { current, needs_new_secret })
    }

    /// Waits for a fresh access token. Returns the outcome of the request if there is none.
    async fn with_fresh_token(
        &self,
        live: &Arc<LiveSession>,
        presented: PresentedCookie,
    ) -> Result<Arc<LiveSession>, Outcome> {
        let valid = self.manager.with_valid_token(live).await;
        valid.map_err(|error| match error.kind() {
            TokenErrorKind::Ended(reason) => self.over(live.session().id, reason, presented),
            TokenErrorKind::NotFound => Outcome::clearing_cookie(Some(presented)),
            TokenErrorKind::Unreadable => Outcome::unreadable(Some(presented)),
            _ => Outcome::Rejected(error.into()),
        })
    }

    /// Gives the session a new secret, after the request was answered: an answer that failed, or was
    /// not waited for, could not carry it to the browser.
    pub(crate) async fn rotate(self: Arc<Self>, current: CurrentSession) -> Option<CookieUpdate> {
        match self.manager.rotate_secret(current.user(), current.id()).await {
            Ok(rotation @ Rotation::Rotated { .. }) => Some(CookieUpdate::rotated(&rotation)),
            Ok(_) => None,
            Err(error) => {
                // The session is good, or the next request tells that it is over.
                if error.end_reason().is_none() {
                    tracing::warn!(error = %ErrorChain(&error), "a session's secret cannot be rotated");
                }
                None
            }
        }
    }

    /// Returns the outcome for a session that ended while its request was being let in.
    fn over(&self, id: SessionId, reason: EndReason, presented: PresentedCookie) -> Outcome {
        match reason {
            EndReason::Superseded => Outcome::keeping_cookie(Some(presented)),
            _ => {
                let ended = EndedSession { id, reason, at: self.manager.now() };
                Outcome::ended(ended, Some(presented))
            }
        }
    }

    /// A new secret is due at the first use of another system's value, whatever it looks like, and
    /// where the response with the new secret was lost.
    fn needs_new_secret(&self, live: &LiveSession, candidate: &Candidate) -> bool {
        match live.is_found_by_previous_secret() {
            true => live.is_new_secret_lost(self.manager.now()),
            false => !candidate.is_issued_form || live.has_migrated_secret(),
        }
    }
}

fn is_other_users(live: &LiveSession, user: Option<&UserId>) -> bool {
    user.is_some_and(|user| *user != live.session().user)
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("manager", &self.manager)
            .field("cookie", &self.cookie)
            .field("cache", &self.cache)
            .field("binding", &self.binding)
            .field("is_session_required", &self.is_session_required)
            .finish_non_exhaustive()
    }
}
