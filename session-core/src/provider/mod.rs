//! The token service that signs people in, as far as a session needs it: renew, and revoke.

mod error;
#[cfg(feature = "openid")]
pub mod openid;

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;

pub use error::{ProviderError, ProviderErrorKind};

use crate::token::{TokenResponse, TokenSet};

/// What a provider revokes when it is asked to revoke one refresh token (F38).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RevocationScope {
    /// All tokens of the person's grant to this client: every device. The provider is asked only
    /// with the last session of the grant.
    Grant,
    /// This token and its successors: one device.
    Token,
    /// Nobody knows; treated as [`Grant`](Self::Grant).
    #[default]
    Unknown,
}

/// A token service: OpenID Connect, OAuth 2.0, or one of your own.
///
/// Implementations set no timeout and do not retry: the session manager does, and it keeps what is
/// fetched even if the request that wanted it is gone.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// Fetches new tokens for these (RFC 6749, section 6).
    ///
    /// # Errors
    ///
    /// [`ProviderError`]; of the kind [`Refused`](ProviderErrorKind::Refused) only if the provider
    /// itself said that the refresh token is no longer good: it ends the session.
    async fn renew(&self, tokens: &TokenSet) -> Result<TokenResponse, ProviderError>;

    /// Revokes a refresh token (RFC 7009). One that is already unknown is a success.
    ///
    /// # Errors
    ///
    /// [`ProviderError`]; of the kind [`Unsupported`](ProviderErrorKind::Unsupported) if the
    /// provider revokes nothing: it is not asked again.
    async fn revoke(&self, refresh_token: &SecretString) -> Result<(), ProviderError>;

    /// What the provider revokes when it is asked to revoke one token.
    fn revocation_scope(&self) -> RevocationScope {
        RevocationScope::Unknown
    }
}
