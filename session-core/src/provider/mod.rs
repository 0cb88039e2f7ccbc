//! The token service that signs users in, as far as a session needs it: renewal and revocation.

mod error;
#[cfg(feature = "openid")]
pub mod openid;

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;

pub use error::{ProviderError, ProviderErrorKind};
#[cfg(feature = "openid")]
#[doc(inline)]
pub use openid::tool_server;

use crate::token::{Resource, TokenResponse, TokenSet};

/// What a provider revokes when it revokes one refresh token (F38).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RevocationScope {
    /// All tokens of the user's grant to this client, on every device. The provider is asked only
    /// after the last session of the grant has ended.
    Grant,
    /// This token and its successors, on one device.
    Token,
    /// Unknown; treated as [`Grant`](Self::Grant).
    #[default]
    Unknown,
}

/// What an access token for a further resource is fetched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ResourceGrant {
    /// The session's access token, by token exchange (RFC 8693). It is renewed first if it has expired.
    AccessToken,
    /// The session's refresh token, with a resource indicator (RFC 8707).
    #[default]
    RefreshToken,
}

/// A token service: OpenID Connect, OAuth 2.0, or one of your own.
///
/// Implementations set no timeout and do not retry: the session manager does both, and it keeps
/// renewed tokens even if the request that needed them is gone.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// Fetches new tokens for these (RFC 6749, section 6).
    ///
    /// # Errors
    ///
    /// Returns [`ProviderError`] if there is no token response. Its kind must be
    /// [`Refused`](ProviderErrorKind::Refused) only if the provider itself reported the refresh token
    /// as invalid, since that ends the session.
    async fn renew(&self, tokens: &TokenSet) -> Result<TokenResponse, ProviderError>;

    /// Fetches an access token for a further resource with the
    /// [`resource_grant`](Self::resource_grant) of these tokens (RFC 8707, section 2.2; RFC 8693).
    ///
    /// # Errors
    ///
    /// Returns [`ProviderError`] if there is no token response; of the kind
    /// [`Unsupported`](ProviderErrorKind::Unsupported) where this is not implemented. A refusal does
    /// not end the session: it may be the resource's.
    async fn renew_for(
        &self,
        _tokens: &TokenSet,
        _resource: &Resource,
    ) -> Result<TokenResponse, ProviderError> {
        Err(ProviderError::new(ProviderErrorKind::Unsupported))
    }

    /// Returns which of a session's tokens [`renew_for`](Self::renew_for) sends.
    fn resource_grant(&self) -> ResourceGrant {
        ResourceGrant::RefreshToken
    }

    /// Revokes a refresh token (RFC 7009). Succeeds if the provider no longer knows it.
    ///
    /// # Errors
    ///
    /// Returns [`ProviderError`] if the token was not revoked; of the kind
    /// [`Unsupported`](ProviderErrorKind::Unsupported) if the provider does not offer revocation, so
    /// that it is not asked again.
    async fn revoke(&self, refresh_token: &SecretString) -> Result<(), ProviderError>;

    /// Revokes an access token that never expires, of a session without a refresh token. Succeeds if
    /// the provider no longer knows it.
    ///
    /// # Errors
    ///
    /// Returns [`ProviderError`] like [`revoke`](Self::revoke); of the kind
    /// [`Unsupported`](ProviderErrorKind::Unsupported) where this is not implemented.
    async fn revoke_access_token(&self, _access_token: &SecretString) -> Result<(), ProviderError> {
        Err(ProviderError::new(ProviderErrorKind::Unsupported))
    }

    /// Returns what the provider revokes when it revokes one token.
    fn revocation_scope(&self) -> RevocationScope {
        RevocationScope::Unknown
    }
}
