//! The pure decisions between the store's answers and the fate of a request.

use std::sync::Arc;

use http::Extensions;
use session_core::manager::{LiveSession, ManagerError, ManagerErrorKind, Resolution};
use session_core::middleware::LiveSessionExt as _;

use crate::cookie::Candidate;
use crate::cookie_update::CookieUpdate;
use crate::current::{
    CurrentSession, EndedSession, InsecureCookie, NoSession, PresentedCookie, UnreadableSession,
};
use crate::rejection::Rejection;

/// What all values that a request presents lead to, together.
#[derive(Default)]
pub(crate) struct Lookups {
    may_clear: bool,
    live: Option<(Arc<LiveSession>, Candidate)>,
    are_several_live: bool,
    ended: Option<EndedSession>,
    is_superseded: bool,
    is_unreadable: bool,
}

/// The fate of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The request has a session, whose secret may have to be rotated once the request is answered.
    Session { current: CurrentSession, needs_new_secret: bool },
    /// The request has no session, for this reason.
    Anonymous { absence: Absence, presented: Option<PresentedCookie>, update: Option<CookieUpdate> },
    /// The request is rejected, whether or not a session is required.
    Rejected(Rejection),
}

/// Why a request has no session.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Absence {
    Ended(EndedSession),
    Missing,
    Unreadable,
}

impl Lookups {
    /// Creates the lookups of a request. `may_clear` says whether values that lead to no session
    /// are cleared.
    pub(crate) fn new(may_clear: bool) -> Self {
        Self { may_clear, ..Self::default() }
    }

    /// Adds what one value leads to.
    ///
    /// # Errors
    ///
    /// Returns the rejection if there was no answer: without it the other values decide nothing.
    pub(crate) fn add(
        &mut self,
        candidate: Candidate,
        answer: Result<Resolution, Arc<ManagerError>>,
    ) -> Result<(), Rejection> {
        match answer {
            Ok(Resolution::Ended { id, ended }) => {
                self.ended.get_or_insert(EndedSession { id, reason: ended.reason, at: ended.at });
            }
            // Another system's value counts only where, and as, its format is configured.
            Ok(Resolution::Live(live)) if live.has_migrated_secret() && !candidate.is_legacy => {}
            Ok(Resolution::Live(live)) => self.add_live(live, candidate),
            Ok(Resolution::Superseded) => self.is_superseded = true,
            Ok(Resolution::Unknown) => {}
            // An answer that this version does not know authenticates no request.
            Ok(_) => return Err(Rejection::UNAVAILABLE),
            Err(error) if error.kind() == ManagerErrorKind::Unreadable => self.is_unreadable = true,
            Err(error) => return Err(Rejection::from(&*error)),
        }
        Ok(())
    }

    /// The old and the new secret of one session are one session. The new one then counts: it has
    /// arrived, and needs no replacement.
    fn add_live(&mut self, live: Arc<LiveSession>, candidate: Candidate) {
        let is_preferred = match &self.live {
            None => true,
            Some((known, _)) if known.session().id == live.session().id => {
                known.is_found_by_previous_secret()
            }
            Some(_) => {
                self.are_several_live = true;
                false
            }
        };
        if is_preferred {
            self.live = Some((live, candidate));
        }
    }

    /// Returns the one live session, beside which nothing else counts and nothing is cleared; or
    /// the outcome without one. `presented` is the cookie that the next sign-in supersedes.
    pub(crate) fn conclude(
        self,
        presented: Option<PresentedCookie>,
    ) -> Result<(Arc<LiveSession>, Candidate), Outcome> {
        Err(match self {
            Self { are_several_live: true, .. } => {
                tracing::warn!("cookies of several live sessions in one request count as none");
                Outcome::keeping_cookie(presented)
            }
            Self { live: Some(live), .. } => return Ok(live),
            Self { is_unreadable: true, .. } => Outcome::unreadable(presented),
            // The cookie of the new sign-in may be stored in its place already.
            Self { is_superseded: true, .. } => Outcome::keeping_cookie(presented),
            Self { ended: Some(ended), .. } => Outcome::ended(ended, presented),
            // The value may be another application's, or another user's live session.
            Self { may_clear: false, .. } => Outcome::keeping_cookie(presented),
            // A value that was not issued here is never adopted (S3), and is cleared (F37).
            Self { .. } => {
                tracing::debug!("a session cookie that leads to no session is cleared");
                Outcome::clearing_cookie(presented)
            }
        })
    }
}

impl Outcome {
    /// Creates the outcome of a request without a session whose cookie stays as it is.
    pub(crate) fn keeping_cookie(presented: Option<PresentedCookie>) -> Self {
        Self::Anonymous { absence: Absence::Missing, presented, update: None }
    }

    /// Creates the outcome of a request whose cookie leads to no session.
    pub(crate) fn clearing_cookie(presented: Option<PresentedCookie>) -> Self {
        let update = Some(CookieUpdate::signed_out());
        Self::Anonymous { absence: Absence::Missing, presented, update }
    }

    /// Creates the outcome of a request whose session has ended. Only the response that tells the
    /// reason clears the cookie.
    pub(crate) fn ended(ended: EndedSession, presented: Option<PresentedCookie>) -> Self {
        Self::Anonymous { absence: Absence::Ended(ended), presented, update: None }
    }

    /// Creates the outcome of a request whose session cannot be read: signing in and out go on.
    pub(crate) fn unreadable(presented: Option<PresentedCookie>) -> Self {
        Self::Anonymous { absence: Absence::Unreadable, presented, update: None }
    }

    /// Decides whether the request goes on. If it does, its extensions tell the handler what was
    /// found.
    pub(crate) fn admit(
        self,
        is_session_required: bool,
        has_secure_cookie: bool,
        extensions: &mut Extensions,
    ) -> Admission {
        match self {
            Self::Session { current, needs_new_secret } => {
                forget_absence(extensions);
                let rotation = needs_new_secret.then(|| current.clone());
                extensions.insert(current);
                Admission { rotation, ..Admission::with(None) }
            }
            Self::Rejected(rejection) => Admission::rejected(rejection, None),
            Self::Anonymous { absence, update, .. } if is_session_required => match absence {
                Absence::Ended(ended) => {
                    let update = Some(CookieUpdate::reason_told());
                    Admission::rejected(Rejection::Ended(ended.reason), update)
                }
                Absence::Missing => Admission::rejected(Rejection::NoSession, update),
                Absence::Unreadable => Admission::rejected(Rejection::Unreadable, update),
            },
            Self::Anonymous { absence, presented, update } => {
                extensions.remove::<CurrentSession>();
                forget_absence(extensions);
                extensions.insert(NoSession);
                if !has_secure_cookie {
                    extensions.insert(InsecureCookie);
                }
                match absence {
                    Absence::Ended(ended) => drop(extensions.insert(ended)),
                    Absence::Missing => {}
                    Absence::Unreadable => drop(extensions.insert(UnreadableSession)),
                }
                presented.map(|presented| extensions.insert(presented));
                Admission::with(update)
            }
        }
    }
}

/// What becomes of a request, and of its browser's cookie.
pub(crate) struct Admission {
    /// Why the request does not go on, if so.
    pub(crate) rejection: Option<Rejection>,
    /// The layer's own update of the cookie.
    pub(crate) update: Option<CookieUpdate>,
    /// The session that gets a new secret once the request is answered.
    pub(crate) rotation: Option<CurrentSession>,
}

impl Admission {
    const fn with(update: Option<CookieUpdate>) -> Self {
        Self { rejection: None, update, rotation: None }
    }

    const fn rejected(rejection: Rejection, update: Option<CookieUpdate>) -> Self {
        Self { rejection: Some(rejection), update, rotation: None }
    }
}

/// Removes what a layer further outside has found, if that was no session. It may look at another
/// cookie, or not know the user: what it found does not hold here.
fn forget_absence(extensions: &mut Extensions) {
    if extensions.remove::<NoSession>().is_some() {
        extensions.remove::<EndedSession>();
        extensions.remove::<InsecureCookie>();
        extensions.remove::<PresentedCookie>();
        extensions.remove::<UnreadableSession>();
    }
}
