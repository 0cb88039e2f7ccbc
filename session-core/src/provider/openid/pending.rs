//! A sign-in that has begun: what goes to the provider, what stays, and what comes back.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// Where to send the browser, and what to keep until it comes back.
#[must_use]
pub struct AuthorizationRequest {
    /// The address at the provider, for a redirect.
    pub url: String,
    /// The record of this one sign-in.
    pub pending: PendingSignIn,
}

impl fmt::Debug for AuthorizationRequest {
    /// Without the address: state and nonce are in it, and perhaps the person's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("AuthorizationRequest");
        fields.field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// The record of one sign-in that has begun: state, nonce and PKCE verifier, bound to the browser
/// that holds it (R9).
///
/// Keep one per sign-in, so that several tabs do not disturb each other (F33), by its
/// [`state`](Self::state): in a short-lived cookie, or a row that such a cookie names. Delete it
/// when it comes back, whatever the outcome: a sign-in is completed once. It is good for ten
/// minutes.
///
/// # Security
///
/// Its serialised form holds the secrets of the sign-in. A cookie for it must be `HttpOnly` and
/// `Secure`, best with the prefix `__Host-`, so that nobody else can plant one. `Debug` prints none.
#[derive(Clone, Serialize, Deserialize)]
pub struct PendingSignIn {
    pub(super) issuer: String,
    pub(super) redirect_uri: String,
    /// Epoch milliseconds.
    pub(super) started_at: i64,
    #[serde(serialize_with = "exposed")]
    pub(super) state: SecretString,
    #[serde(serialize_with = "exposed")]
    pub(super) nonce: SecretString,
    #[serde(serialize_with = "exposed")]
    pub(super) verifier: SecretString,
}

impl PendingSignIn {
    /// The `state` that the provider's answer will bring back, by which this record is found.
    #[must_use]
    pub fn state(&self) -> &str {
        self.state.expose_secret()
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

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// The query of the address to which the provider sent the browser back (RFC 6749, section 4.1.2;
/// RFC 9207), ready to be read by a form or query extractor.
#[derive(Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct Callback {
    /// The authorization code.
    pub code: Option<SecretString>,
    /// The state of the sign-in.
    pub state: Option<String>,
    /// The issuer.
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

impl Callback {
    /// The answer that the query part of an address is, without its question mark.
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
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("has_code", &self.code.is_some())
            .field("has_error", &self.error.is_some())
            .finish_non_exhaustive()
    }
}
