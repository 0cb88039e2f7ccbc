//! Pending sign-ins and connections, each in a sealed cookie of its own until the callback.

use std::fmt;
use std::marker::PhantomData;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use session_core::middleware::SessionManagerExt as _;
use session_core::provider::openid::PendingSignIn;
use session_core::token::Sealed;
use session_core::{SessionManager, Timestamp};

use crate::cookie::pairs;

/// How many sign-ins a browser may have open: each is a cookie of some 600 bytes (F33).
const MAX_PENDING: usize = 10;

/// How long a sign-in may take; the provider's record is valid for as long.
const LIFETIME: Duration = Duration::minutes(10);

/// How many characters of the state are part of the cookie's name.
const NAME_LENGTH: usize = 16;

/// The beginning of the names of a sign-in's cookies.
pub(super) const PREFIX: &str = "sign-in-";

/// A sign-in that has begun in this browser.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) pending: PendingSignIn,
    pub(super) provider: String,
    pub(super) return_to: String,
    pub(super) started_at: i64,
    /// The further scope that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<String>,
    /// The session that is to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) step_up: Option<String>,
    /// The application's user who began it, where sessions are bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) known_user: Option<String>,
}

/// What a browser keeps until it returns from a provider. Records of two kinds have different fields, so
/// that none is read as the other.
pub(crate) trait PendingRecord: Serialize + DeserializeOwned {
    /// Returns the `state`, by which the record is found.
    fn state(&self) -> &str;

    /// Returns when it began, in epoch milliseconds.
    fn started_at(&self) -> i64;
}

impl PendingRecord for Record {
    fn state(&self) -> &str {
        self.pending.state()
    }

    fn started_at(&self) -> i64 {
        self.started_at
    }
}

/// The cookies of pending sign-ins, or of pending connections, each named after its state: tabs do not disturb each other, the
/// server keeps nothing, and a callback is bound to the browser that began the sign-in (R9).
///
/// A record contains the nonce and the PKCE verifier, so it is sealed.
pub(crate) struct PendingCookies<R> {
    manager: SessionManager,
    is_secure: bool,
    /// The beginning of the names.
    prefix: &'static str,
    max_open: usize,
    record: PhantomData<fn(R)>,
}

impl<R> Clone for PendingCookies<R> {
    fn clone(&self) -> Self {
        Self { manager: self.manager.clone(), ..*self }
    }
}

impl<R> fmt::Debug for PendingCookies<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingCookies").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl<R: PendingRecord> PendingCookies<R> {
    pub(crate) const fn new(
        manager: SessionManager,
        is_secure: bool,
        prefix: &'static str,
    ) -> Self {
        Self { manager, is_secure, prefix, max_open: MAX_PENDING, record: PhantomData }
    }

    /// Sets how many records a browser may have (default: ten).
    pub(super) const fn with_max_open(mut self, max_open: usize) -> Self {
        self.max_open = max_open;
        self
    }

    /// Returns the headers that keep this sign-in, and remove the oldest ones if there are too many.
    pub(crate) fn keep(&self, record: &R, headers: &HeaderMap) -> Option<Vec<HeaderValue>> {
        let name = self.name_for(record.state())?;
        let kept = self.cookie(name, self.seal(record)?, LIFETIME);
        let dropped = self.too_many(headers).into_iter().map(|name| self.removal(name));
        dropped.chain([kept]).map(|cookie| header(&cookie)).collect()
    }

    /// Returns the sign-in with this state, if this browser began it, and the header that removes it:
    /// it is completed once, successfully or not.
    pub(crate) fn take(&self, state: &str, headers: &HeaderMap) -> Option<(R, HeaderValue)> {
        let name = self.name_for(state)?;
        let (_, value) = self.presented(headers).find(|(presented, _)| *presented == name)?;
        let record = self.open(value)?;
        let removal = header(&self.removal(name))?;
        Some((record, removal))
    }

    /// Returns the cookies to remove so that one more fits: invalid ones first, then the oldest.
    fn too_many(&self, headers: &HeaderMap) -> Vec<String> {
        let mut present: Vec<_> = self
            .presented(headers)
            .map(|(name, value)| (self.open(value).map(|record| record.started_at()), name))
            .collect();
        present.sort_unstable();
        let excess = (present.len() + 1).saturating_sub(self.max_open);
        present.into_iter().take(excess).map(|(_, name)| name.to_owned()).collect()
    }

    fn presented<'h>(
        &'h self,
        headers: &'h HeaderMap,
    ) -> impl Iterator<Item = (&'h str, &'h str)> + 'h {
        let pairs = headers.get_all(COOKIE).iter().flat_map(|header| pairs(header.as_bytes()));
        let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='));
        pairs.filter(|(name, _)| {
            name.strip_prefix(self.host_prefix()).is_some_and(|name| self.is_ours(name))
        })
    }

    const fn host_prefix(&self) -> &'static str {
        if self.is_secure { "__Host-" } else { "" }
    }

    /// Returns the cookie's name for a state, if it has only characters that a name may contain.
    fn name_for(&self, state: &str) -> Option<String> {
        let beginning = state.get(..NAME_LENGTH).filter(|_| is_token(state))?;
        Some(format!("{}{}{beginning}", self.host_prefix(), self.prefix))
    }

    fn removal(&self, name: String) -> Cookie<'static> {
        self.cookie(name, String::new(), Duration::ZERO)
    }

    /// Lax, because the callback is a navigation from another site.
    fn cookie(&self, name: String, value: String, lifetime: Duration) -> Cookie<'static> {
        Cookie::build((name, value))
            .path("/")
            .secure(self.is_secure)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(lifetime)
            .build()
    }

    fn seal(&self, record: &R) -> Option<String> {
        let plain = serde_json::to_vec(record).ok()?;
        let sealed = self.manager.seal_record(&plain).ok()?;
        Some(Base64UrlUnpadded::encode_string(sealed.as_bytes()))
    }

    fn open(&self, value: &str) -> Option<R> {
        let sealed = Sealed::from_bytes(Base64UrlUnpadded::decode_vec(value).ok()?);
        let plain = self.manager.open_record(&sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    fn is_ours(&self, name: &str) -> bool {
        let state = name.strip_prefix(self.prefix);
        state.is_some_and(|state| state.len() == NAME_LENGTH && is_token(state))
    }
}

impl Record {
    pub(super) fn new(
        pending: PendingSignIn,
        provider: String,
        return_to: String,
        now: Timestamp,
    ) -> Self {
        let started_at = now.as_millis();
        Self {
            pending,
            provider,
            return_to,
            started_at,
            scope: None,
            step_up: None,
            known_user: None,
        }
    }
}

fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn header(cookie: &Cookie<'_>) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(cookie.to_string()).ok()?;
    header.set_sensitive(true);
    Some(header)
}
