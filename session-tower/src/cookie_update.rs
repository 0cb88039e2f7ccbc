//! Updates of the browser's cookie, and how they are written into the response.

use std::fmt;

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderValue, Response};
use session_core::Timestamp;
use session_core::manager::{Rotation, SignedIn, StepUpOutcome};
use session_core::session::{SecretDigest, SessionSecret};

use crate::cookie::SessionCookie;
use crate::recent::RecentSignIns;

/// What a response tells the browser about its session cookie.
///
/// A handler puts it into the response's extensions, and the layer writes `Set-Cookie` and
/// `Cache-Control: no-store` (C7). The session itself is changed by the awaited call on the
/// manager; this only tells the browser.
///
/// ```
/// use http::Response;
/// use session_tower::CookieUpdate;
///
/// // After `manager.sign_out(current.user(), current.id()).await`:
/// let mut response = Response::new("signed out");
/// response.extensions_mut().insert(CookieUpdate::signed_out());
/// assert!(response.extensions().get::<CookieUpdate>().is_some());
/// ```
#[derive(Clone)]
#[must_use = "it takes effect in the response's extensions only"]
pub struct CookieUpdate(Update);

#[derive(Clone)]
enum Update {
    Clear,
    /// Clears the cookie of an ended session, unless its browser has signed in anew.
    ClearEnded,
    Keep,
    Set {
        secret: SessionSecret,
        absolute_deadline: Option<Timestamp>,
    },
    /// A layer further inside has written the cookie of this name.
    Written {
        name: String,
    },
}

impl CookieUpdate {
    /// Creates the update that gives the browser the cookie of a new session.
    pub fn signed_in(signed_in: &SignedIn) -> Self {
        let (secret, absolute_deadline) = (signed_in.secret.clone(), signed_in.absolute_deadline);
        Self(Update::Set { secret, absolute_deadline })
    }

    /// Creates the update that gives the browser the new secret of a rotation. It keeps the cookie
    /// if another rotation is in progress.
    pub fn rotated(rotation: &Rotation) -> Self {
        Self(match rotation {
            Rotation::Rotated { secret, absolute_deadline } => {
                let (secret, absolute_deadline) = (secret.clone(), *absolute_deadline);
                Update::Set { secret, absolute_deadline }
            }
            _ => Update::Keep,
        })
    }

    /// Creates the update that gives the browser the new secret of a step-up, or the cookie of the
    /// session that the user was signed in to instead.
    pub fn stepped_up(outcome: &StepUpOutcome) -> Self {
        match outcome {
            StepUpOutcome::SignedIn(signed_in) => Self::signed_in(signed_in),
            StepUpOutcome::SteppedUp { secret, absolute_deadline, .. } => {
                let (secret, absolute_deadline) = (secret.clone(), *absolute_deadline);
                Self(Update::Set { secret, absolute_deadline })
            }
            _ => Self(Update::Keep),
        }
    }

    /// Creates the update that clears the cookie after the user has signed out.
    pub const fn signed_out() -> Self {
        Self(Update::Clear)
    }

    /// Creates the update that clears the cookie of an ended session, for the response that tells
    /// the user why it has ended. It keeps the cookie for a minute after the same browser has signed
    /// in anew in this process: the browser may hold the new cookie already.
    pub const fn reason_told() -> Self {
        Self(Update::ClearEnded)
    }
}

impl CookieUpdate {
    /// Returns whether the handler has decided about the cookie of this response.
    pub(crate) fn is_decided_in<B>(response: &Response<B>) -> bool {
        let update = response.extensions().get::<Self>();
        update.is_some_and(|update| !matches!(update.0, Update::Keep))
    }
}

impl fmt::Debug for CookieUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Update::Clear => "CookieUpdate::Clear",
            Update::ClearEnded => "CookieUpdate::ClearEnded",
            Update::Keep => "CookieUpdate::Keep",
            Update::Set { .. } => "CookieUpdate::Set(..)",
            Update::Written { .. } => "CookieUpdate::Written",
        })
    }
}

/// Writes the cookie into the response: as the handler asks, or else as the layer does.
///
/// A handler that keeps the cookie prevails over a layer that would clear it, because the session
/// was live for the handler; it does not hold back a new secret of the layer.
pub(crate) fn write<B>(
    response: &mut Response<B>,
    of_layer: Option<CookieUpdate>,
    presented: Option<SecretDigest>,
    cookie: &SessionCookie,
    recent: &RecentSignIns,
    now: impl FnOnce() -> Timestamp,
) {
    let of_handler = response.extensions_mut().remove::<CookieUpdate>();
    let update = match (of_handler.map(|update| update.0), of_layer.map(|update| update.0)) {
        (Some(Update::Written { name }), _) if name == cookie.name() => Update::Written { name },
        (Some(Update::Keep), Some(Update::Clear | Update::ClearEnded)) => return,
        (Some(Update::Keep | Update::Written { .. }) | None, Some(of_layer)) => of_layer,
        (Some(of_handler), _) => of_handler,
        (None, None) => return,
    };
    let now = now();
    let header = match update {
        Update::Keep => return,
        Update::Written { .. } => {
            response.extensions_mut().insert(CookieUpdate(update));
            return;
        }
        Update::ClearEnded if presented.is_some_and(|old| recent.contains(&old, now)) => return,
        Update::Clear | Update::ClearEnded => cookie.header_clearing(),
        Update::Set { secret, absolute_deadline } => {
            if let Some(old) = presented {
                recent.note(old, now);
            }
            cookie.header_setting(&secret, absolute_deadline, now)
        }
    };
    match header {
        Ok(header) => {
            let legacy = cookie.header_clearing_legacy().and_then(Result::ok);
            let headers = response.headers_mut();
            if let Some(legacy) = legacy {
                headers.append(SET_COOKIE, legacy);
            }
            headers.append(SET_COOKIE, header);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // A layer further outside must not clear what was just set.
            let written = Update::Written { name: cookie.name().to_owned() };
            response.extensions_mut().insert(CookieUpdate(written));
        }
        // The builder has checked name and path, and a secret is base64url.
        Err(error) => tracing::error!(%error, "the session cookie cannot be written"),
    }
}
