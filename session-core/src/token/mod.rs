//! The tokens of one session, and how they are merged and sealed.

mod parts;
mod response;
mod seal;

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use parts::TokenParts;
pub use response::{MalformedResponse, TokenResponse};
pub use seal::{Keyring, KeyringError, SealContext, SealError, Sealed, SealedPart, Unreadable};

use crate::clock::Timestamp;
use crate::session::{ProviderName, SessionId, UserId};
use response::ExtraFields;

/// The access, refresh and ID token of one session, with all that the provider said of them.
///
/// # Security
///
/// `Debug` prints no token and no unknown field, and the tokens are wiped on drop.
#[derive(Clone)]
pub struct TokenSet {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    id_token: Option<SecretString>,
    token_type: Option<String>,
    scope: Option<String>,
    received_at: Timestamp,
    expires_at: Option<Timestamp>,
    extra: ExtraFields,
}

impl TokenSet {
    /// The tokens of a response that was received at `received_at`.
    ///
    /// Where the response gives no lifetime, `assumed_lifetime` is assumed if there is a refresh
    /// token, and no expiry if there is none (F25).
    ///
    /// ```
    /// use session_core::{Timestamp, TokenResponse, TokenSet};
    /// use std::time::Duration;
    ///
    /// let hour = Duration::from_secs(3600);
    /// let now = Timestamp::from_millis(0);
    /// let forever = TokenSet::new(TokenResponse::bearer("at"), now, hour);
    /// assert_eq!(forever.expires_at(), None);
    /// let response = TokenResponse::bearer("at").with_refresh_token("rt");
    /// assert_eq!(TokenSet::new(response, now, hour).expires_at(), Some(now + hour));
    /// ```
    #[must_use]
    pub fn new(
        response: TokenResponse,
        received_at: Timestamp,
        assumed_lifetime: Duration,
    ) -> Self {
        let assumed = response.refresh_token.is_some().then_some(assumed_lifetime);
        let lifetime = response.expires_in().or(assumed);
        Self {
            access_token: response.access_token,
            refresh_token: response.refresh_token,
            id_token: response.id_token,
            token_type: response.token_type,
            scope: response.scope,
            received_at,
            expires_at: lifetime.map(|lifetime| received_at + lifetime),
            extra: response.extra,
        }
    }

    /// The tokens of these parts, for what was received by another system.
    ///
    /// Nothing is assumed and nothing is left out, other than at [`new`](Self::new).
    ///
    /// ```
    /// use session_core::token::TokenParts;
    /// use session_core::{Timestamp, TokenSet};
    ///
    /// let now = Timestamp::from_millis(0);
    /// let tokens = TokenSet::from_parts(TokenParts {
    ///     refresh_token: Some("rt".into()),
    ///     token_type: Some("Bearer".to_owned()),
    ///     ..TokenParts::new("at", now)
    /// });
    /// assert_eq!(tokens.access_token(), "at");
    /// assert_eq!(tokens.refresh_token(), Some("rt"));
    /// assert_eq!(tokens.token_type(), Some("Bearer"));
    /// assert_eq!(tokens.expires_at(), None);
    /// ```
    #[must_use]
    pub fn from_parts(parts: TokenParts) -> Self {
        Self {
            access_token: parts.access_token,
            refresh_token: parts.refresh_token,
            id_token: parts.id_token,
            token_type: parts.token_type,
            scope: parts.scope,
            received_at: parts.received_at,
            expires_at: parts.expires_at,
            extra: parts.extra,
        }
    }

    /// These tokens after a renewal: what the answer leaves out is kept (F26, R1).
    ///
    /// ```
    /// use session_core::{Timestamp, TokenResponse, TokenSet};
    /// use std::time::Duration;
    ///
    /// let first = TokenResponse::bearer("a").with_refresh_token("r").with_field("tenant", 7);
    /// let old = TokenSet::new(first, Timestamp::from_millis(0), Duration::from_secs(60));
    /// let later = Timestamp::from_millis(50_000);
    /// let new = old.renewed(TokenResponse::bearer("b"), later, Duration::from_secs(60));
    /// assert_eq!(new.access_token(), "b");
    /// assert_eq!(new.refresh_token(), Some("r"));
    /// assert_eq!(new.field("tenant"), Some(&7.into()));
    /// ```
    #[must_use]
    pub fn renewed(
        &self,
        answer: TokenResponse,
        received_at: Timestamp,
        assumed_lifetime: Duration,
    ) -> Self {
        let mut response = answer;
        response.refresh_token = response.refresh_token.or_else(|| self.refresh_token.clone());
        response.id_token = response.id_token.or_else(|| self.id_token.clone());
        response.token_type = response.token_type.or_else(|| self.token_type.clone());
        response.scope = response.scope.or_else(|| self.scope.clone());
        for (name, value) in &self.extra {
            response.extra.entry(name).or_insert_with(|| value.clone());
        }
        Self::new(response, received_at, assumed_lifetime)
    }

    /// The access token, for an `Authorization` header.
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.access_token.expose_secret()
    }

    /// The refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(SecretString::expose_secret)
    }

    /// The ID token, for an `id_token_hint` at sign-out.
    #[must_use]
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_ref().map(SecretString::expose_secret)
    }

    /// How the access token is to be used, as the provider wrote it: `Bearer`, mostly.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// The granted scope, parted by spaces.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// When the tokens were received.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        self.received_at
    }

    /// When the access token expires; `None` if it does not.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// A field of the token response that no specification here names.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&serde_json::Value> {
        self.extra.get(name)
    }

    /// All fields of the token response that no specification here names.
    ///
    /// ```
    /// use session_core::{Timestamp, TokenResponse, TokenSet};
    /// use std::time::Duration;
    ///
    /// let response = TokenResponse::bearer("at").with_field("tenant", 7);
    /// let tokens = TokenSet::new(response, Timestamp::from_millis(0), Duration::ZERO);
    /// assert_eq!(tokens.extra().keys().collect::<Vec<_>>(), ["tenant"]);
    /// ```
    #[must_use]
    pub const fn extra(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.extra
    }

    /// Whether this is the access token, compared in constant time.
    #[must_use]
    pub fn is_access_token(&self, token: &str) -> bool {
        same_secret(self.access_token(), token)
    }

    /// Whether both hold the same refresh token, or none, compared in constant time.
    #[must_use]
    pub fn has_refresh_token_of(&self, other: &Self) -> bool {
        match (self.refresh_token(), other.refresh_token()) {
            (Some(mine), Some(theirs)) => same_secret(mine, theirs),
            (None, None) => true,
            _ => false,
        }
    }

    /// The tokens, sealed for the row of this session.
    ///
    /// # Errors
    ///
    /// [`SealError`] if they cannot be sealed.
    pub fn seal(
        &self,
        keyring: &Keyring,
        session: SessionId,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<SealedTokens, SealError> {
        let context = |part| SealContext { session, user, provider, part };
        let refresh = self
            .refresh_token()
            .map(|token| keyring.seal(context(SealedPart::RefreshToken), token.as_bytes()));
        Ok(SealedTokens {
            tokens: keyring.seal(context(SealedPart::Tokens), &self.to_plain()?)?,
            refresh_token: refresh.transpose()?,
        })
    }

    /// The tokens that are sealed in the row of this session.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if a part does not open, or is not what was sealed.
    pub fn open(
        sealed: &SealedTokens,
        keyring: &Keyring,
        session: SessionId,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Self, Unreadable> {
        let context = |part| SealContext { session, user, provider, part };
        let plain = keyring.open(context(SealedPart::Tokens), &sealed.tokens)?;
        let mut tokens = Self::from_plain(&plain)?;
        if let Some(sealed) = &sealed.refresh_token {
            let plain = keyring.open(context(SealedPart::RefreshToken), sealed)?;
            let token = std::str::from_utf8(&plain).map_err(|_| Unreadable::Tampered)?;
            tokens.refresh_token = Some(SecretString::from(token));
        }
        Ok(tokens)
    }

    fn to_plain(&self) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let plain = Plain {
            access_token: self.access_token(),
            id_token: self.id_token(),
            token_type: self.token_type.as_deref(),
            scope: self.scope(),
            received_at: self.received_at.as_millis(),
            expires_at: self.expires_at.map(Timestamp::as_millis),
            extra: self.extra.clone(),
        };
        serde_json::to_vec(&plain).map(Zeroizing::new).map_err(|_| SealError)
    }

    fn from_plain(bytes: &[u8]) -> Result<Self, Unreadable> {
        let plain: PlainOwned = serde_json::from_slice(bytes).map_err(|_| Unreadable::Tampered)?;
        Ok(Self {
            access_token: plain.access_token,
            refresh_token: None,
            id_token: plain.id_token,
            token_type: plain.token_type,
            scope: plain.scope,
            received_at: Timestamp::from_millis(plain.received_at),
            expires_at: plain.expires_at.map(Timestamp::from_millis),
            extra: plain.extra,
        })
    }
}

impl fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSet")
            .field("received_at", &self.received_at)
            .field("expires_at", &self.expires_at)
            .field("has_refresh_token", &self.refresh_token.is_some())
            .field("has_id_token", &self.id_token.is_some())
            .finish_non_exhaustive()
    }
}

/// A session's tokens as they lie in its row: two sealed values, for the refresh token leaves the
/// row when the session ends (store law 11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTokens {
    /// All but the refresh token.
    pub tokens: Sealed,
    /// The refresh token.
    pub refresh_token: Option<Sealed>,
}

fn same_secret(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[derive(Serialize)]
struct Plain<'a> {
    access_token: &'a str,
    id_token: Option<&'a str>,
    token_type: Option<&'a str>,
    scope: Option<&'a str>,
    received_at: i64,
    expires_at: Option<i64>,
    extra: ExtraFields,
}

#[derive(Deserialize)]
struct PlainOwned {
    access_token: SecretString,
    id_token: Option<SecretString>,
    token_type: Option<String>,
    scope: Option<String>,
    received_at: i64,
    expires_at: Option<i64>,
    extra: ExtraFields,
}
