//! From what a request presents to its session, or to why it has none.

use std::fmt;
use std::sync::Arc;

use http::Extensions;
use session_core::manager::{
    LiveSession, ManagerErrorKind, Resolution, Rotated, TokenErrorKind, Validity,
};
use session_core::{EndReason, SessionId, SessionManager, UserId};

use crate::cache::SessionCache;
use crate::change::SessionChange;
use crate::cookie::{Candidate, Presented, SessionCookie};
use crate::current::{CurrentSession, EndedSession, PresentedCookie};
use crate::failure::Failure;

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

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It goes on with its session; the cookie may have to change.
    Session(CurrentSession, Option<SessionChange>),
    /// It goes on without one, and may be told that one has ended.
    Without(Absence),
    /// It goes no further.
    Refused(Failure, Option<SessionChange>),
}

/// What a request without a session carries.
#[derive(Debug, Default)]
pub(crate) struct Absence {
    pub(crate) ended: Option<EndedSession>,
    pub(crate) presented: Option<PresentedCookie>,
    pub(crate) change: Option<SessionChange>,
}

/// What one value leads to.
enum Lookup {
    Live(Arc<LiveSession>, Candidate),
    Ended(EndedSession),
    Superseded,
    Unknown,
    Unreadable,
}

/// All that the values lead to, together.
#[derive(Default)]
struct Findings {
    live: Option<(Arc<LiveSession>, Candidate)>,
    are_several_live: bool,
    ended: Option<EndedSession>,
    is_superseded: bool,
    is_unreadable: bool,
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
        match findings.live.take().filter(|_| !findings.are_several_live) {
            Some((live, candidate)) => self.enter(live, &candidate).await,
            None => self.without(&findings, first),
        }
    }

    async fn look_up(
        &self,
        candidate: &Candidate,
        user: Option<&UserId>,
    ) -> Result<Lookup, Failure> {
        for _ in 0..MOST_READINGS {
            if let Some(live) = self.cache.hit(&candidate.digest) {
                if self.is_of_another(&live, user) {
                    return Ok(Lookup::Unknown);
                }
                if self.manager.revalidate(&live) != Validity::Void {
                    return Ok(Lookup::Live(live, *candidate));
                }
            }
            if let Some(lookup) = self.read(candidate, user).await? {
                return Ok(lookup);
            }
        }
        tracing::warn!("a session changed at each of {MOST_READINGS} readings");
        Err(Failure::UNAVAILABLE)
    }

    /// Reads the row and fills the cache; `None` if that was overtaken by an end or a change.
    async fn read(
        &self,
        candidate: &Candidate,
        user: Option<&UserId>,
    ) -> Result<Option<Lookup>, Failure> {
        let digest = candidate.digest;
        let ticket = self.cache.ticket(&digest);
        let lookup = match self.manager.resolve(&digest, user).await {
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
            Ok(_) => return Err(Failure::UNAVAILABLE),
            Err(error) if error.kind() == ManagerErrorKind::Unreadable => Lookup::Unreadable,
            Err(error) => {
                tracing::warn!(%error, "a session cookie cannot be resolved");
                return Err(Failure::from(error));
            }
        };
        Ok(Some(lookup))
    }

    /// Lets a request in with its session. The token is waited for first: a client that hangs up
    /// meanwhile must not take a new secret along.
    async fn enter(&self, live: Arc<LiveSession>, candidate: &Candidate) -> Admission {
        let id = live.session().id;
        let presented = PresentedCookie::new(candidate.digest);
        let (live, token_error) = match self.manager.with_valid_token(&live).await {
            Ok(live) => (live, None),
            Err(error) => match error.kind() {
                TokenErrorKind::Ended(reason) => return self.over(id, reason, presented),
                TokenErrorKind::NotFound => return self.unknown(Some(presented)),
                TokenErrorKind::Unreadable => {
                    return Admission::Refused(Failure::Unreadable, None);
                }
                _ => (live, Some(error)),
            },
        };
        let change = if self.needs_new_secret(&live, candidate) {
            match self.manager.rotate_secret(id).await {
                Ok(rotated @ Rotated::Anew { .. }) => Some(SessionChange::rotated(&rotated)),
                Ok(Rotated::UnderWay) => None,
                Err(error) => {
                    if let Some(reason) = error.end_reason() {
                        return self.over(id, reason, presented);
                    }
                    // The session is good; the next request tries again.
                    tracing::warn!(%error, "a session got no new secret");
                    None
                }
            }
        } else {
            None
        };
        Admission::Session(CurrentSession::new(live, candidate.digest, token_error), change)
    }

    /// The answer where no value leads to exactly one live session.
    fn without(&self, findings: &Findings, presented: Option<PresentedCookie>) -> Admission {
        if findings.are_several_live {
            tracing::warn!("a request has cookies of several live sessions: they count as none");
            return self.admit(Absence { presented, ..Absence::default() });
        }
        if findings.is_unreadable {
            return Admission::Refused(Failure::Unreadable, None);
        }
        match findings.ended {
            // The new cookie may stand in its place already.
            _ if findings.is_superseded => self.admit(Absence { presented, ..Absence::default() }),
            Some(ended) => self.tell(ended, presented),
            None => self.unknown(presented),
        }
    }

    /// A session that turned out to be over on the way in.
    fn over(&self, id: SessionId, reason: EndReason, presented: PresentedCookie) -> Admission {
        let presented = Some(presented);
        match reason {
            EndReason::Superseded => self.admit(Absence { presented, ..Absence::default() }),
            _ => self.tell(EndedSession { id, reason, at: self.manager.now() }, presented),
        }
    }

    /// The reason goes out with the answer that clears the cookie: here, or in the handler.
    fn tell(&self, ended: EndedSession, presented: Option<PresentedCookie>) -> Admission {
        if self.is_required {
            let told = Some(SessionChange::reason_told());
            return Admission::Refused(Failure::Ended(ended.reason), told);
        }
        Admission::Without(Absence { ended: Some(ended), presented, change: None })
    }

    /// A value that we did not issue, or know no more, is never adopted (S3, F37).
    fn unknown(&self, presented: Option<PresentedCookie>) -> Admission {
        tracing::debug!("a session cookie that leads to no session is cleared");
        let change = Some(SessionChange::signed_out());
        self.admit(Absence { ended: None, presented, change })
    }

    pub(crate) fn admit(&self, absence: Absence) -> Admission {
        if self.is_required {
            Admission::Refused(Failure::NoSession, absence.change)
        } else {
            Admission::Without(absence)
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

impl Findings {
    fn add(&mut self, lookup: Lookup) {
        match lookup {
            Lookup::Live(live, candidate) => match &self.live {
                // The old and the new secret of one session are one session.
                Some((known, _)) => {
                    self.are_several_live |= known.session().id != live.session().id;
                }
                None => self.live = Some((live, candidate)),
            },
            Lookup::Ended(ended) => self.ended = self.ended.or(Some(ended)),
            Lookup::Superseded => self.is_superseded = true,
            Lookup::Unknown => {}
            Lookup::Unreadable => self.is_unreadable = true,
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
