//! The decrypted tokens of a row, and the reasons why they could not be decrypted.

use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;
use session_core::token::ExtraFields;
use zeroize::Zeroizing;

use crate::source::codec::{CodecError, KeyUse};
use crate::source::raw_json::RawFields;

/// The decrypted tokens of a row, with every other field of the stored response.
///
/// # Security
///
/// `Debug` prints no token and no other field; the tokens are wiped on drop.
#[derive(Clone, Default)]
pub struct OpenedTokens {
    pub(crate) access: Option<Zeroizing<String>>,
    pub(crate) refresh: Option<Zeroizing<String>>,
    pub(crate) id: Option<Zeroizing<String>>,
    pub(crate) scope: Option<String>,
    pub(crate) token_type: Option<String>,
    pub(crate) extra: ExtraFields,
    pub(crate) keys: Vec<KeyUse>,
}

impl OpenedTokens {
    /// Returns the access token.
    #[must_use]
    pub fn access(&self) -> Option<&str> {
        self.access.as_ref().map(|token| token.as_str())
    }

    /// Returns the refresh token.
    #[must_use]
    pub fn refresh(&self) -> Option<&str> {
        self.refresh.as_ref().map(|token| token.as_str())
    }

    /// Returns the ID token.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_ref().map(|token| token.as_str())
    }

    /// Returns the granted scope, separated by spaces.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns the token's type.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// Returns the other fields of a stored token response, as they are written.
    #[must_use]
    pub const fn extra(&self) -> &ExtraFields {
        &self.extra
    }

    /// Returns which keys opened the tokens, in the order in which they were read.
    #[must_use]
    pub fn keys(&self) -> &[KeyUse] {
        &self.keys
    }

    /// Returns whether there is neither an access nor a refresh token.
    pub(crate) const fn is_empty(&self) -> bool {
        self.access.is_none() && self.refresh.is_none()
    }

    /// Reads the tokens of a stored token response.
    pub(crate) fn from_response(
        mut response: RawFields<'_>,
        key: KeyUse,
    ) -> Result<Self, UnreadableReason> {
        let value = |written: &RawValue| serde_json::from_str::<Value>(written.get()).ok();
        let mut token = |name: &str| match response.remove(name).map(value) {
            None | Some(Some(Value::Null)) => Ok(None),
            Some(Some(Value::String(text))) => {
                Ok(Some(Zeroizing::new(text)).filter(|t| !t.is_empty()))
            }
            Some(_) => Err(UnreadableReason::NotAToken),
        };
        let (access, refresh, id) =
            (token("access_token")?, token("refresh_token")?, token("id_token")?);
        let scope = response.remove("scope").and_then(value);
        let scope = scope.as_ref().and_then(scope_of_json);
        // A type that is not text is kept with the unknown fields.
        let token_type = match response.get("token_type").copied().and_then(value) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        if token_type.is_some() {
            response.remove("token_type");
        }
        let mut extra = ExtraFields::default();
        response.into_iter().for_each(|(name, written)| extra.insert(name, written));
        Ok(Self { access, refresh, id, scope, token_type, extra, keys: vec![key] })
    }
}

fn scope_of_json(scope: &Value) -> Option<String> {
    match scope {
        Value::String(text) => scope_of_text(text),
        Value::Array(items) => {
            let parts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Some(parts.join(" ")).filter(|scope| !scope.is_empty())
        }
        _ => None,
    }
}

/// Reads a scope as columns hold it: separated by spaces or commas, a JSON array, or PostgreSQL's
/// `{a,b}`.
pub(crate) fn scope_of_text(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('[')
        && let Ok(array) = serde_json::from_str(text)
    {
        return scope_of_json(&array);
    }
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    let parts = inner.split([',', ' ']).map(|part| part.trim_matches('"'));
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    Some(parts.join(" ")).filter(|scope| !scope.is_empty())
}

impl fmt::Debug for OpenedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedTokens")
            .field("has_access", &self.access.is_some())
            .field("has_refresh", &self.refresh.is_some())
            .field("has_id", &self.id.is_some())
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// Why a row's tokens could not be decrypted, and which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Unreadable {
    /// The path in the mapping, such as `tokens.access`.
    pub place: &'static str,
    /// Why.
    pub reason: UnreadableReason,
}

/// Why a token could not be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum UnreadableReason {
    /// The codec could not decrypt it.
    Codec(CodecError),
    /// The plaintext is not UTF-8.
    NotText,
    /// The plaintext is not a JSON object, or the column is not JSON.
    NotJson,
    /// It is JSON, and a token in it is not text (an OAuth 1 token is an object).
    NotAToken,
    /// The mapping says that the provider's tokens are those of OAuth 1.
    OAuth1,
}

impl UnreadableReason {
    /// Returns a code for reports, such as `wrong_key`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Codec(error) => error.code(),
            Self::NotText => "not_text",
            Self::NotJson => "not_json",
            Self::NotAToken => "not_a_token",
            Self::OAuth1 => "oauth1",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match self.reason {
            UnreadableReason::Codec(error) => write!(f, "{error}"),
            UnreadableReason::NotText => f.write_str("it is not UTF-8"),
            UnreadableReason::NotJson => f.write_str("it is not a JSON object"),
            UnreadableReason::NotAToken => f.write_str("a token in it is not a text"),
            UnreadableReason::OAuth1 => f.write_str("it is a token of OAuth 1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OpenedTokens, scope_of_text};
    use crate::source::codec::KeyUse;
    use crate::source::row::UnreadableReason;

    fn read(json: &str) -> Result<OpenedTokens, UnreadableReason> {
        OpenedTokens::from_response(serde_json::from_str(json).unwrap(), KeyUse::Current)
    }

    #[test]
    fn unknown_fields_are_kept_and_nothing_is_printed() {
        let json = r#"{"access_token": "at-1", "refresh_token": "", "scope": ["a", "b"],
            "token_type": "Bearer", "issued_at": 1.50, "not-before-policy": 0}"#;
        let tokens = read(json).unwrap();
        assert_eq!((tokens.access(), tokens.refresh()), (Some("at-1"), None));
        assert_eq!((tokens.scope(), tokens.token_type()), (Some("a b"), Some("Bearer")));
        assert_eq!(tokens.extra().written("issued_at"), Some("1.50"));
        assert_eq!(tokens.extra().values().len(), 2);
        assert!(!format!("{tokens:?}").contains("at-1"));
    }

    #[test]
    fn a_token_that_is_an_object_is_none() {
        let oauth1 = r#"{"access_token": {"oauth_token": "a", "oauth_token_secret": "b"}}"#;
        assert_eq!(read(oauth1).unwrap_err(), UnreadableReason::NotAToken);
    }

    #[test]
    fn scopes_come_parted_in_every_way() {
        for scope in ["a b", "a,b", "a, b", "{a,b}", "{\"a\",b}", "[\"a\",\"b\"]", " a  b "] {
            assert_eq!(scope_of_text(scope).as_deref(), Some("a b"), "{scope}");
        }
        assert_eq!(scope_of_text("{}"), None);
    }
}
