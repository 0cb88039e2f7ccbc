//! A pending sign-in: the address for the browser, the record to keep, and the callback.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use subtle::ConstantTimeEq;

use super::answer::known_code;
use super::sign_in_error::{DenialCode, SignInError, SignInErrorKind};
use crate::clock::Timestamp;
use crate::policy::authentication::RequiredAuthentication;

/// How long a sign-in may take; the user may have to fetch a second factor.
const MAX_SIGN_IN: Duration = Duration::from_secs(10 * 60);

/// The address for the browser, and the record to keep until it returns.
#[must_use]
pub struct AuthorizationRequest {
    /// The address at the provider, for a redirect.
    pub url: String,
    /// The record of this one sign-in.
    pub pending: PendingSignIn,
}

impl fmt::Debug for AuthorizationRequest {
    /// Omits the address: it contains the state and the nonce, and possibly the name of the user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("AuthorizationRequest");
        fields.field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// The record of one pending sign-in: state, nonce and PKCE verifier, bound to the browser that
/// holds it (R9).
///
/// Keep one per sign-in under its [`state`](Self::state), so that several tabs do not disturb each
/// other (F33): in a short-lived cookie, or in a row that such a cookie names. Delete it when the
/// browser returns, whatever the outcome: a sign-in is completed once. It is valid for ten minutes.
///
/// # Security
///
/// Its serialised form contains the secrets of the sign-in. A cookie for it must be `HttpOnly` and
/// `Secure`, and should have the prefix `__Host-`, so that no other host can set one. `Debug` prints
/// no secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct PendingSignIn {
    pub(super) issuer: String,
    pub(super) redirect_uri: String,
    /// Epoch milliseconds.
    pub(super) started_at: i64,
    /// How long ago the user may have authenticated, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_age: Option<u64>,
    /// At which levels, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) acr_values: Option<String>,
    /// What was asked for, separated by spaces.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) scope: String,
    #[serde(serialize_with = "exposed")]
    pub(super) state: SecretString,
    #[serde(serialize_with = "exposed")]
    pub(super) nonce: SecretString,
    #[serde(serialize_with = "exposed")]
    pub(super) verifier: SecretString,
}

impl PendingSignIn {
    /// Returns the `state`, which the callback repeats and by which this record is found.
    #[must_use]
    pub fn state(&self) -> &str {
        self.state.expose_secret()
    }

    /// Returns what was required of the user's authentication; `None` if the record does not say it
    /// validly.
    #[must_use]
    pub fn required_authentication(&self) -> Option<RequiredAuthentication> {
        let required = match self.max_age {
            Some(seconds) => RequiredAuthentication::within(Duration::from_secs(seconds)),
            None => RequiredAuthentication::none(),
        };
        let mut values = self.acr_values.as_deref().unwrap_or_default().split_ascii_whitespace();
        values.try_fold(required, |required, value| required.with_acr(value).ok())
    }
}

impl fmt::Debug for PendingSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingSignIn")
            .field("issuer", &self.issuer)
            .field("redirect_uri", &self.redirect_uri)
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

pub(super) fn exposed<S: Serializer>(
    secret: &SecretString,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// The query of the callback, with which the provider sends the browser back (RFC 6749, section
/// 4.1.2; RFC 9207). A form or query extractor can deserialise it.
#[derive(Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct Callback {
    /// The authorization code.
    pub code: Option<SecretString>,
    /// The state of the sign-in.
    pub state: Option<String>,
    /// The issuer.
    pub iss: Option<String>,
    /// The error code, if there is no authorization code.
    pub error: Option<String>,
}

impl Callback {
    /// Parses the query part of an address, without its question mark.
    ///
    /// ```
    /// use session_core::provider::openid::Callback;
    ///
    /// let callback = Callback::from_query("code=a%2Bb&state=s");
    /// assert_eq!(callback.state.as_deref(), Some("s"));
    /// assert!(callback.code.is_some() && callback.error.is_none());
    /// assert!(!format!("{callback:?}").contains("a+b"));
    /// ```
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let mut callback = Self::default();
        for (name, value) in openidconnect::url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "code" => callback.code = Some(SecretString::from(value)),
                "state" => callback.state = Some(value),
                "iss" => callback.iss = Some(value),
                "error" => callback.error = Some(value),
                _ => {}
            }
        }
        callback
    }

    /// Checks that the callback belongs to the request with this state, which is recent enough.
    pub(super) fn check_record(
        &self,
        state: &SecretString,
        started_at: i64,
        now: Timestamp,
    ) -> Result<(), SignInError> {
        let presented = self.state.as_deref().unwrap_or_default();
        if !bool::from(presented.as_bytes().ct_eq(state.expose_secret().as_bytes())) {
            return Err(SignInErrorKind::State.into());
        }
        if now.since(Timestamp::from_millis(started_at)) > MAX_SIGN_IN {
            return Err(SignInErrorKind::Expired.into());
        }
        Ok(())
    }

    /// Checks that the answer is this issuer's (RFC 9207, section 2.4), and not a denial.
    pub(super) fn check_answer(&self, issuer: &str, sends_iss: bool) -> Result<(), SignInError> {
        if !self.iss.as_ref().map_or(!sends_iss, |iss| iss == issuer) {
            return Err(SignInErrorKind::Issuer.into());
        }
        match &self.error {
            Some(code) => {
                let code = DenialCode(known_code(code));
                Err(SignInError::from(SignInErrorKind::Denied).caused_by(code))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("has_code", &self.code.is_some())
            .field("has_error", &self.error.is_some())
            .finish_non_exhaustive()
    }
}
