//! A change of the cookie, on its way out with the response.

use std::fmt;

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderValue, Response};
use session_core::manager::{Rotation, SignedIn};
use session_core::{SessionSecret, Timestamp};

use crate::cookie::SessionCookie;

/// What the browser's cookie must become: put it into the response's extensions, and the layer
/// writes `Set-Cookie` and `Cache-Control: no-store` (C7).
///
/// The session itself was changed by the awaited call on the manager; this only tells the browser.
///
/// ```
/// use http::Response;
/// use session_tower::CookieUpdate;
///
/// // After `manager.sign_out(current.user(), current.id()).await`:
/// let mut response = Response::new("signed out");
/// response.extensions_mut().insert(CookieUpdate::signed_out());
/// ```
#[derive(Clone)]
#[must_use = "put it into the response's extensions"]
pub struct CookieUpdate(Change);

#[derive(Clone)]
enum Change {
    Clear,
    Give {
        secret: SessionSecret,
        absolute_deadline: Option<Timestamp>,
    },
    Keep,
    /// A layer further inside has changed the cookie of this name.
    Written {
        name: String,
    },
}

impl CookieUpdate {
    /// The cookie of a new session.
    pub fn signed_in(signed_in: &SignedIn) -> Self {
        let (secret, absolute_deadline) = (signed_in.secret.clone(), signed_in.absolute_deadline);
        Self(Change::Give { secret, absolute_deadline })
    }

    /// The cookie after a rotation; as it was, if another rotation is under way.
    pub fn rotated(rotated: &Rotation) -> Self {
        Self(match rotated {
            Rotation::Rotated { secret, absolute_deadline } => {
                let (secret, absolute_deadline) = (secret.clone(), *absolute_deadline);
                Change::Give { secret, absolute_deadline }
            }
            _ => Change::Keep,
        })
    }

    /// No cookie any more: the person has signed out.
    pub const fn signed_out() -> Self {
        Self(Change::Clear)
    }

    /// No cookie any more: this response tells the person why the session has ended.
    pub const fn reason_told() -> Self {
        Self(Change::Clear)
    }
}

impl fmt::Debug for CookieUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Change::Clear => "CookieUpdate::Clear",
            Change::Give { .. } => "CookieUpdate::Give(..)",
            Change::Keep => "CookieUpdate::Keep",
            Change::Written { .. } => "CookieUpdate::Written",
        })
    }
}

/// Writes the cookie into the response: the handler's change, or else the layer's own.
///
/// A handler that leaves the cookie as it is does not hold back the layer's new secret, but a
/// clearing that the layer wanted: the session was live for the handler.
pub(crate) fn write<B>(
    response: &mut Response<B>,
    own: Option<CookieUpdate>,
    cookie: &SessionCookie,
    now: impl FnOnce() -> Timestamp,
) {
    let asked = response.extensions_mut().remove::<CookieUpdate>();
    let change = match (asked.map(|change| change.0), own.map(|change| change.0)) {
        (Some(Change::Written { name }), _) if name == cookie.name() => Change::Written { name },
        (Some(Change::Keep), Some(Change::Clear)) => return,
        (Some(Change::Keep | Change::Written { .. }) | None, Some(own)) => own,
        (Some(asked), _) => asked,
        (None, None) => return,
    };
    let header = match change {
        Change::Keep => return,
        Change::Written { .. } => {
            response.extensions_mut().insert(CookieUpdate(change));
            return;
        }
        Change::Clear => cookie.removing(),
        Change::Give { secret, absolute_deadline } => {
            cookie.giving(&secret, absolute_deadline, now())
        }
    };
    match header {
        Ok(header) => {
            response.headers_mut().append(SET_COOKIE, header);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // A layer further outside must not clear what was just given.
            let written = Change::Written { name: cookie.name().to_owned() };
            response.extensions_mut().insert(CookieUpdate(written));
        }
        // The builder has checked name and path, and a secret is base64url.
        Err(error) => tracing::error!(%error, "the session cookie cannot be written"),
    }
}
