//! What becomes of a request.

use http::Extensions;

use crate::change::CookieUpdate;
use crate::current::{CurrentSession, EndedSession, PresentedCookie};
use crate::failure::Rejection;

/// What becomes of a request, and how the layer wants the cookie to change.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It goes on with its session.
    Session(CurrentSession, Option<CookieUpdate>),
    /// It goes on without one, and may be told that one has ended.
    Without(Absence),
    /// It goes no further.
    Refused(Rejection, Option<CookieUpdate>),
}

/// What a request without a session carries.
#[derive(Debug, Default)]
pub(crate) struct Absence {
    pub(crate) ended: Option<EndedSession>,
    pub(crate) presented: Option<PresentedCookie>,
    pub(crate) change: Option<CookieUpdate>,
}

impl Absence {
    /// Nobody is signed in, and the cookie stays as it is.
    pub(crate) fn keeping(presented: Option<PresentedCookie>) -> Self {
        Self { presented, ..Self::default() }
    }

    /// Nobody is signed in, and the cookie leads nowhere.
    pub(crate) fn clearing(presented: Option<PresentedCookie>) -> Self {
        Self { ended: None, presented, change: Some(CookieUpdate::signed_out()) }
    }

    /// A session has ended: the answer that tells so clears the cookie, and no other.
    pub(crate) fn after(ended: EndedSession, presented: Option<PresentedCookie>) -> Self {
        Self { ended: Some(ended), presented, change: None }
    }

    /// Tells the request of it. What a layer outside has found is not what this one has, which may
    /// be bound to a user, or look at another cookie.
    pub(crate) fn tell(self, extensions: &mut Extensions) -> Option<CookieUpdate> {
        extensions.remove::<CurrentSession>();
        extensions.remove::<EndedSession>();
        extensions.remove::<PresentedCookie>();
        self.ended.map(|ended| extensions.insert(ended));
        self.presented.map(|presented| extensions.insert(presented));
        self.change
    }

    /// Lets the request go on without a session, unless one is required.
    pub(crate) fn admitted(self, is_required: bool) -> Admission {
        match self.ended {
            _ if !is_required => Admission::Without(self),
            None => Admission::Refused(Rejection::NoSession, self.change),
            Some(ended) => {
                let told = Some(CookieUpdate::reason_told());
                Admission::Refused(Rejection::Ended(ended.reason), told)
            }
        }
    }
}
