//! Access tokens for further resources, beside the main one (RFC 8707).

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::compare::same_secret;
use super::dpop_key::{self, DpopKey, is_dpop};
use super::response::TokenResponse;
use crate::clock::Timestamp;

/// How many resources a session has tokens for at most, and how many bytes these take; beyond that the
/// oldest are dropped, and fetched again when they are needed.
const MAX_TOKENS: usize = 16;
const MAX_BYTES: usize = 64 * 1024;

/// The longest address of a resource, and the longest scope, in bytes.
const MAX_TEXT: usize = 1024;

/// What an access token is for: the resource indicator that the provider knows, and scopes.
///
/// ```
/// use session_core::token::Resource;
///
/// let calendar = Resource::new("https://calendar.example/").unwrap().with_scope("write read");
/// assert_eq!(calendar.scope(), Some("read write"));
/// assert!(Resource::new("calendar").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resource {
    address: String,
    scope: Option<String>,
}

impl Resource {
    /// Creates a resource of this address, for whatever scope the provider grants.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidResource`] if it is not an absolute URI without a fragment (RFC 8707, section
    /// 2) of at most 1024 visible ASCII characters.
    pub fn new(address: impl Into<String>) -> Result<Self, InvalidResource> {
        let address = address.into();
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let is_absolute = address.split_once(':').is_some_and(|(scheme, rest)| {
            let begins_well = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
            begins_well && scheme.bytes().all(is_scheme) && !rest.is_empty()
        });
        let is_written = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        match is_absolute && is_written && address.len() <= MAX_TEXT {
            true => Ok(Self { address, scope: None }),
            false => Err(InvalidResource),
        }
    }

    /// Sets the scope, separated by spaces. The order does not matter.
    #[must_use]
    pub fn with_scope(mut self, scope: &str) -> Self {
        let mut scopes: Vec<&str> = scope.split_ascii_whitespace().collect();
        scopes.sort_unstable();
        scopes.dedup();
        self.scope = Some(scopes.join(" ")).filter(|scope| !scope.is_empty());
        self
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the scope, separated by spaces.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }
}

/// A resource whose address is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a resource must be an absolute uri without a fragment, of at most 1024 characters")]
pub struct InvalidResource;

/// An access token for one resource.
///
/// # Security
///
/// `Debug` prints no token, and the token is wiped on drop.
#[derive(Clone)]
pub struct ResourceToken(SealableToken);

/// The parts of a token for one resource, which serialize for their sealing alone.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SealableToken {
    resource: Resource,
    #[serde(serialize_with = "exposed")]
    access_token: SecretString,
    token_type: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "dpop_key::exposed"
    )]
    dpop_key: Option<DpopKey>,
    scope: Option<String>,
    /// Epoch milliseconds.
    received_at: i64,
    expires_at: i64,
}

impl ResourceToken {
    /// Returns the token of a response, which expires after `assumed_lifetime` if the provider does
    /// not say when.
    pub(super) fn new(
        resource: &Resource,
        response: &TokenResponse,
        received_at: Timestamp,
        assumed_lifetime: Duration,
    ) -> Self {
        let expires_at = received_at + response.expires_in().unwrap_or(assumed_lifetime);
        Self(SealableToken {
            resource: resource.clone(),
            access_token: response.access_token.clone(),
            token_type: response.token_type.clone(),
            dpop_key: response.dpop_key.clone(),
            scope: response.scope.clone(),
            received_at: received_at.as_millis(),
            expires_at: expires_at.as_millis(),
        })
    }

    pub(super) const fn opened(parts: SealableToken) -> Self {
        Self(parts)
    }

    pub(super) const fn sealable(&self) -> &SealableToken {
        &self.0
    }

    /// Returns the access token, for an `Authorization` header: as `Bearer`, unless it
    /// [is bound to a key](Self::is_sender_constrained).
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.0.access_token.expose_secret()
    }

    /// Returns whether this is the access token, compared in constant time.
    pub(crate) fn is_access_token(&self, token: &str) -> bool {
        same_secret(self.access_token(), token)
    }

    /// Returns what the token is for.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.0.resource
    }

    /// Returns the granted scope, if the provider has named it.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.0.scope.as_deref()
    }

    /// Returns whether the token is bound to a key (DPoP, RFC 9449): it is sent with a proof, and
    /// never as a bearer token.
    #[must_use]
    pub fn is_sender_constrained(&self) -> bool {
        is_dpop(self.0.token_type.as_deref())
    }

    /// Returns the key that the token is bound to.
    #[cfg(feature = "dpop")]
    pub(crate) fn dpop_key(&self) -> Option<&DpopKey> {
        self.0.dpop_key.as_ref().filter(|_| self.is_sender_constrained())
    }

    /// Returns when the token was received.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        Timestamp::from_millis(self.0.received_at)
    }

    /// Returns when the token expires.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.0.expires_at)
    }

    /// Returns about how many bytes of memory the token takes.
    pub(super) fn memory(&self) -> usize {
        let texts = [self.resource().scope(), self.scope()].into_iter().flatten().map(str::len);
        size_of::<Self>()
            + self.access_token().len()
            + self.resource().address.len()
            + self.0.dpop_key.as_ref().map_or(0, |key| key.encoded().len())
            + texts.sum::<usize>()
    }
}

/// Adds a token in the place of one for the same resource; drops the oldest beyond the bounds.
pub(super) fn add(tokens: &mut Vec<ResourceToken>, token: ResourceToken) {
    tokens.retain(|known| known.resource() != token.resource());
    tokens.push(token);
    let is_too_much = |tokens: &[ResourceToken]| {
        let bytes = tokens.iter().map(ResourceToken::memory).sum::<usize>();
        tokens.len() > MAX_TOKENS || (tokens.len() > 1 && bytes > MAX_BYTES)
    };
    while is_too_much(tokens) {
        tokens.remove(0);
    }
}

impl fmt::Debug for ResourceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceToken")
            .field("resource", self.resource())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}
