//! From what a request presents to its session, or to why it has none.

use std::fmt;
use std::sync::Arc;

use http::Extensions;
use session_core::manager::{LiveSession, ManagerErrorKind, Resolution, Rotation, TokenErrorKind};
use session_core::middleware::{LiveSessionExt as _, SessionManagerExt as _, Validity};
use session_core::{EndReason, SessionId, SessionManager, UserId};

use crate::admission::{Absence, Admission};
use crate::cache::SessionCache;
use crate::change::CookieUpdate;
use crate::cookie::{Candidate, Presented, SessionCookie};
use crate::current::{CurrentSession, EndedSession, PresentedCookie};
use crate::failure::Rejection;
use crate::findings::{Conclusion, Findings, Lookup};

/// How often a row is read again whose reading was overtaken.
const MOST_READINGS: u32 = 8;

/// The user whom the application already knows, from the request's extensions.
pub(crate) type KnownUser = Arc<dyn Fn(&Extensions) -> Option<UserId> + Send + Sync>;

/// What all requests of a layer share.
#[derive(Clone)]
pub(crate) struct Resolver {
    pub(crate) manager: SessionManager,
    pub(crate) cookie: SessionCookie,
    pub(crate) cache: Arc<SessionCache>,
    pub(crate) known_user: Option<KnownUser>,
    pub(crate) is_required: bool,
}

impl Resolver {
    /// The session of a request that can go on at once: one cookie, of a session that is in the
    /// cache and may be served as it is. Takes no lock, waits for nothing and allocates nothing.
    pub(crate) fn at_once(
        &self,
        presented: &Presented,
        extensions: &Extensions,
    ) -> Option<CurrentSession> {
        let candidate = presented.single()?;
        let live = self.cache.hit(&candidate.digest)?;
        if self.is_of_another(&live, self.known_user(extensions).as_ref()) {
            return None;
        }
        // Asked before the validity, which counts as a use.
        if self.needs_new_secret(&live, candidate) {
            return None;
        }
        let is_usable = self.manager.revalidate(&live) == Validity::Usable;
        is_usable.then(|| CurrentSession::new(live, candidate.digest, None))
    }

    pub(crate) fn known_user(&self, extensions: &Extensions) -> Option<UserId> {
        self.known_user.as_ref().and_then(|known_user| known_user(extensions))
    }

    /// What becomes of a request that cannot go on at once.
    pub(crate) async fn resolve(&self, presented: Presented, user: Option<UserId>) -> Admission {
        let mut findings = Findings::default();
        for candidate in presented.candidates() {
            match self.look_up(candidate, user.as_ref()).await {
                Ok(lookup) => findings.add(lookup),
                Err(failure) => return Admission::Refused(failure, None),
            }
        }
        let first = presented.candidates().next();
        let first = first.map(|candidate| PresentedCookie::new(candidate.digest));
        let absence = match findings.conclude() {
            Conclusion::Live(live, candidate) => match self.enter(live, &candidate).await {
                Ok(admission) => return admission,
                Err(absence) => absence,
            },
            Conclusion::Unreadable => return Admission::Refused(Rejection::Unreadable, None),
            Conclusion::Ended(ended) => Absence::after(ended, first),
            Conclusion::None => Absence::keeping(first),
            Conclusion::Unknown => {
                tracing::debug!("a session cookie that leads to no session is cleared");
                Absence::clearing(first)
            }
        };
        absence.admitted(self.is_required)
    }

    async fn look_up(
        &self,
        candidate: &Candidate,
        user: Option<&UserId>,
    ) -> Result<Lookup, Rejection> {
        for _ in 0..MOST_READINGS {
            let known = self.cache.hit(&candidate.digest);
            if let Some(live) = &known {
                if self.is_of_another(live, user) {
                    return Ok(Lookup::Unknown);
                }
                if self.manager.revalidate(live) != Validity::Stale {
                    return Ok(Lookup::Live(Arc::clone(live), *candidate));
                }
            }
            if let Some(lookup) = self.read(candidate, user, known.as_deref()).await? {
                return Ok(lookup);
            }
        }
        tracing::warn!("a session changed at each of {MOST_READINGS} readings");
        Err(Rejection::UNAVAILABLE)
    }

    /// Reads the row and fills the cache; `None` if that was overtaken by an end or a change.
    async fn read(
        &self,
        candidate: &Candidate,
        user: Option<&UserId>,
        known: Option<&LiveSession>,
    ) -> Result<Option<Lookup>, Rejection> {
        let digest = candidate.digest;
        let ticket = self.cache.ticket(&digest);
        let lookup = match self.manager.resolve_again(&digest, user, known).await {
            Ok(Resolution::Live(live)) => {
                let filled = self.cache.fill(&digest, ticket, &live);
                return Ok(filled.is_ok().then_some(Lookup::Live(live, *candidate)));
            }
            Ok(Resolution::Ended { id, ended }) => {
                Lookup::Ended(EndedSession { id, reason: ended.reason, at: ended.at })
            }
            Ok(Resolution::Superseded) => Lookup::Superseded,
            Ok(Resolution::Unknown) => Lookup::Unknown,
            // What this version does not know authenticates nobody (fail closed).
            Ok(_) => return Err(Rejection::UNAVAILABLE),
            Err(error) if error.kind() == ManagerErrorKind::Unreadable => Lookup::Unreadable,
            Err(error) => {
                tracing::warn!(%error, "a session cookie cannot be resolved");
                return Err(Rejection::from(error));
            }
        };
        Ok(Some(lookup))
    }

    /// Lets a request in with its session, unless that turns out to be over on the way.
    ///
    /// The token is waited for first: a client that hangs up meanwhile must not take a new secret
    /// along.
    async fn enter(
        &self,
        live: Arc<LiveSession>,
        candidate: &Candidate,
    ) -> Result<Admission, Absence> {
        let id = live.session().id;
        let presented = PresentedCookie::new(candidate.digest);
        let (live, token_error) = match self.manager.with_valid_token(&live).await {
            Ok(live) => (live, None),
            Err(error) => match error.kind() {
                TokenErrorKind::Ended(reason) => return Err(self.over(id, reason, presented)),
                TokenErrorKind::NotFound => return Err(Absence::clearing(Some(presented))),
                TokenErrorKind::Unreadable => {
                    return Ok(Admission::Refused(Rejection::Unreadable, None));
                }
                _ => (live, Some(error)),
            },
        };
        let change = self.replace_secret(&live, candidate).await;
        let change = change.map_err(|reason| self.over(id, reason, presented))?;
        let current = CurrentSession::new(live, candidate.digest, token_error);
        Ok(Admission::Session(current, change))
    }

    /// A new secret where one is needed; or why the session is over.
    async fn replace_secret(
        &self,
        live: &LiveSession,
        candidate: &Candidate,
    ) -> Result<Option<CookieUpdate>, EndReason> {
        if !self.needs_new_secret(live, candidate) {
            return Ok(None);
        }
        match self.manager.rotate_secret(&live.session().user, live.session().id).await {
            Ok(rotated @ Rotation::Rotated { .. }) => Ok(Some(CookieUpdate::rotated(&rotated))),
            Ok(_) => Ok(None),
            Err(error) => match error.end_reason() {
                Some(reason) => Err(reason),
                // The session is good; the next request tries again.
                None => {
                    tracing::warn!(%error, "a session got no new secret");
                    Ok(None)
                }
            },
        }
    }

    /// A session that turned out to be over on the way in.
    fn over(&self, id: SessionId, reason: EndReason, presented: PresentedCookie) -> Absence {
        match reason {
            EndReason::Superseded => Absence::keeping(Some(presented)),
            _ => {
                let ended = EndedSession { id, reason, at: self.manager.now() };
                Absence::after(ended, Some(presented))
            }
        }
    }

    fn is_of_another(&self, live: &LiveSession, user: Option<&UserId>) -> bool {
        user.is_some_and(|user| *user != live.session().user)
    }

    /// At the first use of another system's value, and if the response with a new secret was lost.
    fn needs_new_secret(&self, live: &LiveSession, candidate: &Candidate) -> bool {
        match live.is_found_by_previous_secret() {
            true => live.is_new_secret_lost(self.manager.now()),
            false => candidate.is_legacy,
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("manager", &self.manager)
            .field("cookie", &self.cookie)
            .field("cache", &self.cache)
            .field("is_required", &self.is_required)
            .finish_non_exhaustive()
    }
}
