//! The response of a token endpoint (RFC 6749, section 5.1).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::dpop_key::DpopKey;
#[cfg(feature = "dpop")]
use super::dpop_key::is_dpop;
use super::extra::ExtraFields;

/// The maximum lifetime that is accepted, in seconds: ten years.
const MAX_LIFETIME: u64 = 10 * 365 * 24 * 60 * 60;

/// A successful response of a token endpoint (RFC 6749, section 5.1); unknown fields are kept.
///
/// ```
/// use session_core::TokenResponse;
/// use std::time::Duration;
///
/// let json = br#"{"access_token": "at", "token_type": "Bearer", "expires_in": 300, "tenant": 7}"#;
/// let response = TokenResponse::from_json(json).unwrap();
/// assert_eq!(response.expires_in(), Some(Duration::from_secs(300)));
/// assert!(!format!("{response:?}").contains("\"at\""));
/// ```
#[derive(Clone)]
pub struct TokenResponse {
    pub(crate) access_token: SecretString,
    pub(crate) token_type: Option<String>,
    /// What the tokens are bound to, as the request proved it.
    pub(crate) dpop_key: Option<DpopKey>,
    expires_in: Value,
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) scope: Option<String>,
    pub(crate) id_token: Option<SecretString>,
    pub(crate) extra: ExtraFields,
}

/// The fields that this crate knows.
#[derive(Deserialize)]
struct KnownFields {
    access_token: SecretString,
    #[serde(default, deserialize_with = "text")]
    token_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    expires_in: Value,
    refresh_token: Option<SecretString>,
    #[serde(default, deserialize_with = "text")]
    scope: Option<String>,
    id_token: Option<SecretString>,
}

/// Their names.
const KNOWN: [&str; 6] =
    ["access_token", "token_type", "expires_in", "refresh_token", "scope", "id_token"];

impl TokenResponse {
    /// Creates a response of type `Bearer` with this access token and nothing else.
    #[must_use]
    pub fn bearer(access_token: impl Into<String>) -> Self {
        Self {
            access_token: SecretString::from(access_token.into()),
            token_type: Some("Bearer".to_owned()),
            dpop_key: None,
            expires_in: Value::Null,
            refresh_token: None,
            scope: None,
            id_token: None,
            extra: ExtraFields::default(),
        }
    }

    /// Creates a response of type `DPoP` with this access token, which is bound to this key, and
    /// nothing else.
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn dpop(access_token: impl Into<String>, key: DpopKey) -> Self {
        let token_type = Some("DPoP".to_owned());
        Self { token_type, ..Self::bearer(access_token) }.with_dpop_key(key)
    }

    /// Sets the key whose proof was sent with the request, for a
    /// [`Provider`](crate::Provider) of your own: the tokens are bound to it as far as their type says
    /// so.
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn with_dpop_key(mut self, key: DpopKey) -> Self {
        self.dpop_key = Some(key);
        self
    }

    /// Parses the JSON object that a token endpoint sent.
    ///
    /// # Errors
    ///
    /// Returns [`MalformedResponse`] if it is not a token response or has no access token. The
    /// error does not contain the text.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedResponse> {
        let known: KnownFields = serde_json::from_slice(json).map_err(|_| MalformedResponse)?;
        // A second time, because only a borrowed text stays as it is written.
        let all: BTreeMap<String, &RawValue> =
            serde_json::from_slice(json).map_err(|_| MalformedResponse)?;
        let mut extra = ExtraFields::default();
        for (name, written) in all.into_iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
            extra.insert(name, written);
        }
        let KnownFields { access_token, token_type, expires_in, refresh_token, scope, id_token } =
            known;
        let response = Self {
            access_token,
            token_type,
            dpop_key: None,
            expires_in,
            refresh_token,
            scope,
            id_token,
            extra,
        };
        let is_empty = response.access_token.expose_secret().is_empty();
        if is_empty { Err(MalformedResponse) } else { Ok(response.without_empty_fields()) }
    }

    /// Returns whether the response has a refresh token.
    #[must_use]
    pub const fn has_refresh_token(&self) -> bool {
        self.refresh_token.is_some()
    }

    /// Sets the refresh token.
    #[must_use]
    pub fn with_refresh_token(mut self, token: impl Into<String>) -> Self {
        self.refresh_token = Some(SecretString::from(token.into()));
        self
    }

    /// Sets the ID token.
    #[must_use]
    pub fn with_id_token(mut self, token: impl Into<String>) -> Self {
        self.id_token = Some(SecretString::from(token.into()));
        self
    }

    /// Sets the lifetime of the access token, in whole seconds.
    #[must_use]
    pub fn with_expires_in(mut self, lifetime: Duration) -> Self {
        self.expires_in = Value::from(lifetime.as_secs());
        self
    }

    /// Sets the type of the access token; `None` if it is unknown.
    #[must_use]
    pub fn with_token_type(mut self, token_type: Option<String>) -> Self {
        self.token_type = token_type;
        self
    }

    /// Sets the granted scope, separated by spaces.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Sets the granted scope to what was asked for, if the response does not name it (RFC 6749,
    /// section 5.1).
    #[cfg(feature = "openid")]
    pub(crate) fn with_scope_if_unnamed(mut self, asked: String) -> Self {
        self.scope = self.scope.or(Some(asked).filter(|scope| !scope.is_empty()));
        self
    }

    /// Sets the type of the token to that of the one it takes the place of, if the response does not
    /// name it.
    #[cfg(feature = "openid")]
    pub(crate) fn with_type_if_unnamed(mut self, before: Option<&str>) -> Self {
        self.token_type = self.token_type.or_else(|| before.map(str::to_owned));
        self
    }

    /// Removes the refresh token and the ID token.
    #[cfg(feature = "openid")]
    pub(crate) fn without_grant(mut self) -> Self {
        self.refresh_token = None;
        self.id_token = None;
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert_value(name.into(), value.into());
        self
    }

    /// Sets all fields that this crate does not know.
    #[must_use]
    pub fn with_extra(mut self, extra: ExtraFields) -> Self {
        self.extra = extra;
        self
    }

    /// Returns the lifetime of the access token, counted from the receipt; `None` if the provider
    /// gave none (R5).
    ///
    /// An invalid value (zero, negative, over ten years, not a number) counts as none: refusing the
    /// response for it would lose a rotated refresh token (F25).
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        let seconds = match &self.expires_in {
            Value::Number(number) => number.as_u64().or_else(|| whole_seconds(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        seconds.filter(|s| (1..=MAX_LIFETIME).contains(s)).map(Duration::from_secs)
    }

    /// Sets the key whose possession the request has proven.
    #[cfg(feature = "openid")]
    pub(crate) fn proven_by(self, dpop_key: Option<DpopKey>) -> Self {
        Self { dpop_key, ..self }
    }

    /// Returns whether the access token is bound to a key.
    #[cfg(feature = "dpop")]
    pub(crate) fn is_bound(&self) -> bool {
        is_dpop(self.token_type.as_deref())
    }

    /// Removes empty fields: some providers send `""` for what they do not give, which must not
    /// replace what is stored.
    fn without_empty_fields(mut self) -> Self {
        let is_given = |token: &SecretString| !token.expose_secret().is_empty();
        self.refresh_token = self.refresh_token.filter(is_given);
        self.id_token = self.id_token.filter(is_given);
        self.scope = self.scope.filter(|scope| !scope.is_empty());
        self
    }
}

/// Reads a text, or a list of texts (as Twitch sends scopes). Anything else counts as absent:
/// refusing the response for it would lose a rotated refresh token.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match lenient(deserializer)? {
        Value::String(text) => Some(text),
        Value::Array(list) => {
            Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    })
}

/// Reads any JSON value. One that no type holds, as the number `1e999`, counts as absent too.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let written = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(written.get()).unwrap_or_default())
}

/// Returns the whole seconds of a lifetime that a provider wrote as a fraction.
fn whole_seconds(seconds: f64) -> Option<u64> {
    let span = Duration::try_from_secs_f64(seconds).ok()?;
    Some(span.as_secs())
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in())
            .field("has_refresh_token", &self.refresh_token.is_some())
            .field("has_id_token", &self.id_token.is_some())
            .finish_non_exhaustive()
    }
}

/// The response is not a token response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response of the token endpoint is malformed or has no access token")]
pub struct MalformedResponse;
