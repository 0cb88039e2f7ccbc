//! The application as a client of an authorization server, and how it comes to be one.

use async_trait::async_trait;
use oauth2::AuthType;
use secrecy::{ExposeSecret, SecretString};

use super::server_metadata::AuthorizationServerMetadata;
use crate::provider::ProviderError;
use crate::provider::openid::registration::ClientAuthentication;
use crate::provider::openid::setting::InvalidSetting;

/// Registers the application as a client of a tool server's authorization server: by what an operator
/// has registered ([`RegisteredClient`] alone), by a client id metadata document, or dynamically (RFC
/// 7591).
///
/// Asked once in the life of a [`ToolServer`](super::ToolServer), at the first connection or renewal.
/// An implementation that registers dynamically stores what it has got, and returns the same after a
/// restart and on every node: refresh tokens are bound to the client that they were issued to.
///
/// ```
/// use async_trait::async_trait;
/// use session_core::provider::tool_server::{
///     AuthorizationServerMetadata, ClientRegistration, RegisteredClient,
/// };
/// use session_core::provider::{ProviderError, ProviderErrorKind};
///
/// /// Names itself by the address of a document that describes it, where that is understood.
/// struct ByDocument;
///
/// #[async_trait]
/// impl ClientRegistration for ByDocument {
///     async fn register(
///         &self,
///         server: &AuthorizationServerMetadata,
///         _redirect_uri: &str,
///     ) -> Result<RegisteredClient, ProviderError> {
///         match server.client_id_metadata_document_supported {
///             true => Ok(RegisteredClient::new("https://app.example/client.json")),
///             false => Err(ProviderError::new(ProviderErrorKind::Unsupported)),
///         }
///     }
/// }
/// ```
///
/// # Security
///
/// A client belongs to the authorization server that has issued it (`server.issuer`): return none that
/// was registered elsewhere.
#[async_trait]
pub trait ClientRegistration: Send + Sync + 'static {
    /// Returns the client at this authorization server, whose metadata are verified.
    ///
    /// # Errors
    ///
    /// Returns [`ProviderError`] if there is none. No kind of it ends a connection.
    async fn register(
        &self,
        server: &AuthorizationServerMetadata,
        redirect_uri: &str,
    ) -> Result<RegisteredClient, ProviderError>;
}

/// A client that is registered at an authorization server. As a [`ClientRegistration`] it is the one
/// that an operator has registered beforehand.
#[derive(Debug, Clone)]
#[must_use]
pub struct RegisteredClient {
    pub(super) id: String,
    pub(super) secret: Option<SecretString>,
    authentication: Option<ClientAuthentication>,
}

impl RegisteredClient {
    /// Creates a public client: only PKCE protects it.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), secret: None, authentication: None }
    }

    /// Sets the client's secret.
    pub fn with_secret(mut self, secret: SecretString) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Sets how the secret is sent. By default as the metadata say, and as `Basic` if they allow both.
    pub const fn with_authentication(mut self, how: ClientAuthentication) -> Self {
        self.authentication = Some(how);
        self
    }

    /// Checks what can be checked without the authorization server.
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        let secret = self.secret.as_ref().map(SecretString::expose_secret);
        match secret {
            _ if self.id.trim().is_empty() => {
                Err(InvalidSetting::new("client_id", "must not be empty"))
            }
            Some(secret) if secret.trim().is_empty() => {
                Err(InvalidSetting::new("client_secret", "must not be empty"))
            }
            _ => Ok(()),
        }
    }

    /// Decides how the client authenticates, by what the metadata support; without a word of them
    /// that is Basic (RFC 8414, section 2).
    pub(super) fn auth_type(
        &self,
        supported: Option<&[String]>,
    ) -> Result<AuthType, InvalidSetting> {
        const FIELD: &str = "token_endpoint_auth_methods_supported";
        let allows = |method: &str| {
            supported.map_or(method == BASIC, |known| known.iter().any(|known| known == method))
        };
        match self.authentication {
            _ if self.secret.is_none() => Ok(AuthType::RequestBody),
            Some(ClientAuthentication::Basic) => Ok(AuthType::BasicAuth),
            Some(ClientAuthentication::Post) => Ok(AuthType::RequestBody),
            None if allows(BASIC) => Ok(AuthType::BasicAuth),
            None if allows("client_secret_post") => Ok(AuthType::RequestBody),
            None => Err(InvalidSetting::new(FIELD, "has no supported method")),
        }
    }
}

const BASIC: &str = "client_secret_basic";

#[async_trait]
impl ClientRegistration for RegisteredClient {
    async fn register(
        &self,
        _server: &AuthorizationServerMetadata,
        _redirect_uri: &str,
    ) -> Result<Self, ProviderError> {
        Ok(self.clone())
    }
}
