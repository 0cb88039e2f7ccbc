//! What becomes of a request.

use http::Extensions;

use crate::change::SessionChange;
use crate::current::{CurrentSession, EndedSession, PresentedCookie};
use crate::failure::Failure;

/// What becomes of a request, and how the layer wants the cookie to change.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It goes on with its session.
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

impl Absence {
    /// Nobody is signed in, and the cookie stays as it is.
    pub(crate) fn keeping(presented: Option<PresentedCookie>) -> Self {
        Self { presented, ..Self::default() }
    }

    /// Nobody is signed in, and the cookie leads nowhere.
    pub(crate) fn clearing(presented: Option<PresentedCookie>) -> Self {
        Self { ended: None, presented, change: Some(SessionChange::signed_out()) }
    }

    /// A session has ended: the answer that tells so clears the cookie, and no other.
    pub(crate) fn after(ended: EndedSession, presented: Option<PresentedCookie>) -> Self {
        Self { ended: Some(ended), presented, change: None }
    }

    /// Tells the request of it. What a layer outside has found is not what this one has, which may
    /// be bound to a user, or look at another cookie.
    pub(crate) fn tell(self, extensions: &mut Extensions) -> Option<SessionChange> {
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
            None => Admission::Refused(Failure::NoSession, self.change),
            Some(ended) => {
                let told = Some(SessionChange::reason_told());
                Admission::Refused(Failure::Ended(ended.reason), told)
            }
        }
    }
}
