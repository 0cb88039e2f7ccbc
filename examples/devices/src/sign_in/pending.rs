//! Pending sign-ins, kept in cookies until the callback.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::header::COOKIE;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use serde::{Deserialize, Serialize};
use session_core::provider::openid::PendingSignIn;
use session_core::token::{SealContext, Sealed, SealedPart};
use session_core::{Keyring, ProviderName, SessionId, Timestamp, UserId};

use crate::startup_error::StartupError;

/// The maximum number of pending sign-ins per browser: each adds a cookie of half a kilobyte to
/// every request (F33).
const MAX_PENDING: usize = 5;

/// How long a sign-in may take.
const LIFETIME: Duration = Duration::minutes(10);

/// How many characters of the state are part of the cookie name.
const NAME_LENGTH: usize = 16;

/// Keeps each pending sign-in in a separate cookie, named after its state: tabs do not interfere,
/// the server keeps nothing, and the callback is bound to the browser that started it (R9).
///
/// The cookie contains the nonce and the PKCE verifier, so it is sealed with the session keys.
pub(crate) struct PendingCookies {
    keyring: Keyring,
    is_secure: bool,
    user: UserId,
    provider: ProviderName,
}

#[derive(Serialize, Deserialize)]
struct Record {
    started_at: i64,
    pending: PendingSignIn,
}

impl PendingCookies {
    pub(crate) fn new(keyring: Keyring, is_secure: bool) -> Result<Self, StartupError> {
        let invalid = |error| StartupError::caused_by("cannot prepare sign-ins", error);
        let user = UserId::new("a pending sign-in").map_err(invalid)?;
        let provider = ProviderName::new("devices").map_err(invalid)?;
        Ok(Self { keyring, is_secure, user, provider })
    }

    /// Returns the headers that store this sign-in, and remove the oldest ones if there are too many.
    pub(crate) fn keep(
        &self,
        pending: PendingSignIn,
        now: Timestamp,
        headers: &HeaderMap,
    ) -> Option<Vec<HeaderValue>> {
        let name = self.name_for(pending.state())?;
        let record = Record { started_at: now.as_millis(), pending };
        let value = self.seal(&record)?;
        let kept = self.cookie(name, value, LIFETIME);
        let dropped = self.too_many(headers).into_iter().map(|name| self.removal(name));
        dropped.chain([kept]).map(|cookie| cookie.to_string().parse().ok()).collect()
    }

    /// Returns the sign-in with this state, if this browser started it, and the header that removes
    /// it: it can be completed once, successfully or not.
    pub(crate) fn take(
        &self,
        state: &str,
        headers: &HeaderMap,
    ) -> Option<(PendingSignIn, HeaderValue)> {
        let name = self.name_for(state)?;
        let (_, value) = self.presented(headers).find(|(presented, _)| *presented == name)?;
        let record = self.open(value)?;
        let removal = self.removal(name).to_string().parse().ok()?;
        Some((record.pending, removal))
    }

    /// Returns the cookies to remove so that one more fits: invalid ones first, then the oldest.
    fn too_many(&self, headers: &HeaderMap) -> Vec<String> {
        let mut present: Vec<_> = self
            .presented(headers)
            .map(|(name, value)| (self.open(value).map_or(0, |record| record.started_at), name))
            .collect();
        present.sort_unstable();
        let excess = (present.len() + 1).saturating_sub(MAX_PENDING);
        present.into_iter().take(excess).map(|(_, name)| name.to_owned()).collect()
    }

    fn presented<'h>(
        &'h self,
        headers: &'h HeaderMap,
    ) -> impl Iterator<Item = (&'h str, &'h str)> + 'h {
        let headers = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        let cookies = headers.flat_map(|header| header.split(';'));
        let pairs = cookies.filter_map(|cookie| cookie.trim().split_once('='));
        pairs.filter(|(name, _)| name.starts_with(self.prefix()))
    }

    const fn prefix(&self) -> &'static str {
        if self.is_secure { "__Host-devices_login_" } else { "devices_login_" }
    }

    /// Returns the cookie name for a state, if it has only characters that a cookie name may contain.
    fn name_for(&self, state: &str) -> Option<String> {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let beginning = state.get(..NAME_LENGTH).filter(|_| state.bytes().all(is_token))?;
        Some(format!("{}{beginning}", self.prefix()))
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

    fn seal(&self, record: &Record) -> Option<String> {
        let plain = serde_json::to_vec(record).ok()?;
        let sealed = self.keyring.seal(self.context()?, &plain).ok()?;
        Some(Base64UrlUnpadded::encode_string(sealed.as_bytes()))
    }

    fn open(&self, value: &str) -> Option<Record> {
        let sealed = Sealed::from_bytes(Base64UrlUnpadded::decode_vec(value).ok()?);
        let plain = self.keyring.open(self.context()?, &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// No session has this id, so a session's tokens do not open here, nor this record as tokens.
    fn context(&self) -> Option<SealContext<'_>> {
        let session: SessionId = "00000000-0000-0000-0000-000000000000".parse().ok()?;
        let (user, provider) = (&self.user, &self.provider);
        Some(SealContext { session, user, provider, part: SealedPart::Tokens })
    }
}

impl fmt::Debug for PendingCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingCookies").field("is_secure", &self.is_secure).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies() -> PendingCookies {
        let keyring = Keyring::parse(&Keyring::generate_entry("test").unwrap()).unwrap();
        PendingCookies::new(keyring, true).unwrap()
    }

    fn pending(state: &str) -> PendingSignIn {
        serde_json::from_value(serde_json::json!({
            "issuer": "http://127.0.0.1:1", "redirect_uri": "http://127.0.0.1:2/callback",
            "started_at": 0, "state": state, "nonce": "the-nonce", "verifier": "the-verifier",
        }))
        .unwrap()
    }

    /// Returns a state whose first characters, which name the cookie, are unique.
    fn state(number: i64) -> String {
        format!("{number:016}{number:016}")
    }

    /// Returns the header that a browser sends after these responses.
    fn sent_after(answers: &[HeaderValue]) -> HeaderMap {
        let mut jar = std::collections::BTreeMap::new();
        for answer in answers {
            let (pair, attributes) = answer.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match attributes.contains("Max-Age=0") {
                true => jar.remove(name),
                false => jar.insert(name.to_owned(), value.to_owned()),
            };
        }
        let pairs = jar.iter().map(|(name, value)| format!("{name}={value}"));
        let header = pairs.collect::<Vec<_>>().join("; ");
        HeaderMap::from_iter([(COOKIE, header.parse().unwrap())])
    }

    /// Starts sign-ins in one browser, each with the cookies of the previous ones.
    fn start(cookies: &PendingCookies, numbers: impl Iterator<Item = i64>) -> HeaderMap {
        let mut answers = Vec::new();
        for number in numbers {
            let now = Timestamp::from_millis(number);
            let headers = sent_after(&answers);
            answers.extend(cookies.keep(pending(&state(number)), now, &headers).unwrap());
        }
        sent_after(&answers)
    }

    #[test]
    fn f33_several_tabs_sign_in_at_once() {
        let cookies = cookies();
        let headers = start(&cookies, 1..=3);
        for number in 1..=3 {
            let (taken, removal) = cookies.take(&state(number), &headers).unwrap();
            assert_eq!(taken.state(), state(number));
            assert!(removal.to_str().unwrap().contains("Max-Age=0"));
        }
    }

    #[test]
    fn f33_the_oldest_of_too_many_is_removed() {
        let cookies = cookies();
        let headers = start(&cookies, 1..=9);
        let held = |number: &i64| cookies.take(&state(*number), &headers).is_some();
        assert_eq!((1..=9).filter(held).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
        assert!(headers[COOKIE].len() < 4096);
    }

    #[test]
    fn r9_another_browser_cannot_complete_it() {
        let cookies = cookies();
        assert!(cookies.take(&state(1), &HeaderMap::new()).is_none());
        let others = start(&self::cookies(), 1..=1);
        assert!(cookies.take(&state(1), &others).is_none(), "sealed with another key");
        for bad in ["", "short", "0000000000000000\r\nSet-Cookie: a=b", "€€€€€€€€€€€€€€€€€€€€"]
        {
            assert!(cookies.take(bad, &start(&cookies, 0..=0)).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_cookie_does_not_reveal_the_record() {
        let cookies = cookies();
        let answer = cookies.keep(pending(&state(1)), Timestamp::from_millis(0), &HeaderMap::new());
        let [answer] = answer.unwrap().try_into().unwrap();
        let text = answer.to_str().unwrap();
        assert!(text.starts_with("__Host-devices_login_"));
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"] {
            assert!(text.contains(attribute), "{attribute}");
        }
        let value = text.split_once('=').unwrap().1.split_once(';').unwrap().0;
        let bytes = Base64UrlUnpadded::decode_vec(value).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"the-verifier"));
    }
}
