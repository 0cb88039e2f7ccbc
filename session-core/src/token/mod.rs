//! The tokens of one session, how they are merged at a renewal, and how they are sealed.

mod compare;
mod dpop_key;
mod extra;
mod key_source;
mod resource;
mod response;
mod seal;
mod sealed_tokens;

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use compare::same_secret;
pub use dpop_key::DpopKey;
use dpop_key::is_dpop;
pub use extra::ExtraFields;
pub use key_source::KeySourceError;
pub use resource::{InvalidResource, Resource, ResourceToken};
pub use response::{MalformedResponse, TokenResponse};
pub use seal::{Keyring, KeyringError, SealContext, SealError, Sealed, SealedPart, Unreadable};
pub(crate) use sealed_tokens::SealTags;
pub use sealed_tokens::SealedTokens;

use crate::clock::Timestamp;
use crate::session::SessionData;

/// The access, refresh and ID token of one session, with the other fields of the token response.
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
    /// What the access token is bound to, if its type says that it is.
    dpop_key: Option<DpopKey>,
    /// What the refresh token may be bound to: another key after a step-up that brought no new one.
    refresh_key: Option<DpopKey>,
    scope: Option<String>,
    received_at: Timestamp,
    expires_at: Option<Timestamp>,
    extra: ExtraFields,
    /// For further resources, the oldest first.
    resource_tokens: Vec<ResourceToken>,
    /// What the application keeps with the session: sealed with its tokens, and gone with them.
    data: SessionData,
}

impl TokenSet {
    /// Creates the tokens of a response that was received at `received_at`.
    ///
    /// If the response has no lifetime, the access token is assumed to expire after
    /// `assumed_lifetime` if there is a refresh token, and never if there is none (F25).
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
            refresh_key: response.dpop_key.clone(),
            dpop_key: response.dpop_key,
            scope: response.scope,
            received_at,
            expires_at: lifetime.map(|lifetime| received_at + lifetime),
            extra: response.extra,
            resource_tokens: Vec::new(),
            data: SessionData::default(),
        }
    }

    /// Sets the expiry of the access token, for tokens that another system received and stored
    /// with it. `None` means that it does not expire.
    ///
    /// ```
    /// use session_core::{Timestamp, TokenResponse, TokenSet};
    /// use std::time::Duration;
    ///
    /// let (now, expiry) = (Timestamp::from_millis(5_000), Timestamp::from_millis(5_250));
    /// let tokens = TokenSet::new(TokenResponse::bearer("at"), now, Duration::ZERO);
    /// assert_eq!(tokens.with_expires_at(Some(expiry)).expires_at(), Some(expiry));
    /// ```
    #[must_use]
    pub const fn with_expires_at(mut self, expires_at: Option<Timestamp>) -> Self {
        self.expires_at = expires_at;
        self
    }

    /// Returns the tokens after a renewal: what the response leaves out is kept (F26, R1). Each token
    /// stays bound to the key of the response that it came with (R11).
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
        mut response: TokenResponse,
        received_at: Timestamp,
        assumed_lifetime: Duration,
    ) -> Self {
        let brings_refresh_token = response.has_refresh_token();
        response.refresh_token = response.refresh_token.or_else(|| self.refresh_token.clone());
        response.id_token = response.id_token.or_else(|| self.id_token.clone());
        response.token_type = response.token_type.or_else(|| self.token_type.clone());
        response.scope = response.scope.or_else(|| self.scope.clone());
        response.extra.add_missing(&self.extra);
        let mut renewed = Self::new(response, received_at, assumed_lifetime);
        if !brings_refresh_token {
            renewed.refresh_key.clone_from(&self.refresh_key);
        }
        let (resource_tokens, data) = (self.resource_tokens.clone(), self.data.clone());
        Self { resource_tokens, data, ..renewed }
    }

    /// Returns the tokens after a renewal for a further resource (RFC 8707): the main access token
    /// stays, and a new refresh token takes the place of the old one.
    ///
    /// ```
    /// use session_core::token::Resource;
    /// use session_core::{Timestamp, TokenResponse, TokenSet};
    /// use std::time::Duration;
    ///
    /// let (now, hour) = (Timestamp::from_millis(0), Duration::from_secs(3600));
    /// let old = TokenSet::new(TokenResponse::bearer("a").with_refresh_token("r"), now, hour);
    /// let files = Resource::new("https://files.example/").unwrap();
    /// let response = TokenResponse::bearer("f").with_refresh_token("s");
    /// let new = old.with_resource_token(&files, response, now, hour);
    /// assert_eq!((new.access_token(), new.refresh_token()), ("a", Some("s")));
    /// assert_eq!(new.resource_token(&files).unwrap().access_token(), "f");
    /// ```
    #[must_use]
    pub fn with_resource_token(
        &self,
        resource: &Resource,
        response: TokenResponse,
        received_at: Timestamp,
        assumed_lifetime: Duration,
    ) -> Self {
        let token = ResourceToken::new(resource, &response, received_at, assumed_lifetime);
        let id_token = response.id_token.clone().or_else(|| self.id_token.clone());
        let mut tokens = Self { id_token, ..self.with_refresh_token_of(response) };
        resource::add(&mut tokens.resource_tokens, token);
        tokens
    }

    /// Returns the tokens with the refresh token of a response, if it has one; all others stay.
    pub(crate) fn with_refresh_token_of(&self, response: TokenResponse) -> Self {
        let mut tokens = self.clone();
        if response.has_refresh_token() {
            tokens.refresh_key = response.dpop_key;
            tokens.refresh_token = response.refresh_token;
        }
        tokens
    }

    /// Sets what the application keeps with the session.
    #[must_use]
    pub fn with_data(mut self, data: SessionData) -> Self {
        self.data = data;
        self
    }

    /// Returns what the application keeps with the session.
    #[must_use]
    pub const fn data(&self) -> &SessionData {
        &self.data
    }

    /// Returns the access token for a further resource, if there is one; it may have expired.
    #[must_use]
    pub fn resource_token(&self, resource: &Resource) -> Option<&ResourceToken> {
        self.resource_tokens.iter().find(|token| token.resource() == resource)
    }

    /// Returns the tokens without those for further resources.
    pub(crate) fn without_resource_tokens(mut self) -> Self {
        self.resource_tokens.clear();
        self
    }

    /// Returns the access token, for an `Authorization` header: as `Bearer`, unless it
    /// [is bound to a key](Self::is_sender_constrained).
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.access_token.expose_secret()
    }

    /// Returns the refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(SecretString::expose_secret)
    }

    /// Returns the ID token, for an `id_token_hint` at sign-out.
    #[must_use]
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_ref().map(SecretString::expose_secret)
    }

    /// Returns the type of the access token as the provider wrote it, usually `Bearer`.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// Returns whether the access token is bound to a key (DPoP, RFC 9449): it is sent with a proof,
    /// and never as a bearer token.
    #[must_use]
    pub fn is_sender_constrained(&self) -> bool {
        is_dpop(self.token_type())
    }

    /// Returns the type of an access token that is bound to a key: what takes its place must not be
    /// taken for a bearer token.
    #[cfg(feature = "openid")]
    pub(crate) fn bound_type(&self) -> Option<&str> {
        self.token_type().filter(|_| self.is_sender_constrained())
    }

    /// Returns the key that the access token is bound to.
    #[cfg(feature = "openid")]
    pub(crate) fn dpop_key(&self) -> Option<&DpopKey> {
        self.dpop_key.as_ref().filter(|_| self.is_sender_constrained())
    }

    /// Returns the key that the refresh token may be bound to, and is sent with.
    #[cfg(feature = "openid")]
    pub(crate) const fn refresh_key(&self) -> Option<&DpopKey> {
        self.refresh_key.as_ref()
    }

    /// Returns the granted scope, separated by spaces.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns when the tokens were received.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        self.received_at
    }

    /// Returns when the access token expires; `None` if it does not.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Returns a field of the token response that this crate does not know.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&serde_json::Value> {
        self.extra.get(name)
    }

    /// Returns all fields of the token response that this crate does not know, as they are written.
    ///
    /// ```
    /// use session_core::{Timestamp, TokenResponse, TokenSet};
    /// use std::time::Duration;
    ///
    /// let response = TokenResponse::bearer("at").with_field("tenant", 7);
    /// let tokens = TokenSet::new(response, Timestamp::from_millis(0), Duration::ZERO);
    /// assert_eq!(tokens.extra().written("tenant"), Some("7"));
    /// ```
    #[must_use]
    pub const fn extra(&self) -> &ExtraFields {
        &self.extra
    }

    /// Returns whether this is the access token, compared in constant time.
    #[must_use]
    pub fn is_access_token(&self, token: &str) -> bool {
        same_secret(self.access_token(), token)
    }

    /// Returns whether this is the refresh token, compared in constant time.
    #[cfg(feature = "openid")]
    pub(crate) fn is_refresh_token(&self, token: &str) -> bool {
        self.refresh_token().is_some_and(|mine| same_secret(mine, token))
    }

    /// Returns whether both have the same refresh token, or none, compared in constant time.
    #[must_use]
    pub fn has_refresh_token_of(&self, other: &Self) -> bool {
        match (self.refresh_token(), other.refresh_token()) {
            (Some(mine), Some(theirs)) => same_secret(mine, theirs),
            (None, None) => true,
            _ => false,
        }
    }

    /// Returns about how many bytes of memory the tokens take.
    pub(crate) fn memory(&self) -> usize {
        let secret = |token: Option<&str>| token.map_or(0, str::len);
        size_of::<Self>()
            + secret(Some(self.access_token()))
            + secret(self.refresh_token())
            + secret(self.id_token())
            + secret(self.dpop_key.as_ref().map(DpopKey::encoded))
            + secret(self.refresh_key.as_ref().map(DpopKey::encoded))
            + self.scope.as_ref().map_or(0, String::len)
            + self.extra.memory()
            + self.data.memory()
            + self.resource_tokens.iter().map(ResourceToken::memory).sum::<usize>()
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
