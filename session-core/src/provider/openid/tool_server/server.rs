//! The tool server: renews and revokes the tokens of its connections.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::client::{AuthorizedClient, revocable_access_token, revocable_refresh_token};
use super::registration::{ClientRegistration, RegisteredClient};
use super::resource_metadata::ToolServerNames;
use super::server_metadata::AuthorizationServerMetadata;
use crate::error_chain::ErrorChain;
use crate::provider::openid::document_cache::DocumentCache;
use crate::provider::openid::setting::SetupError;
use crate::provider::openid::transport::Transport;
use crate::provider::{Provider, ProviderError, ProviderErrorKind, RevocationScope};
use crate::token::{TokenResponse, TokenSet};

/// A tool server (MCP) that users connect, with its authorization server and the application as its
/// client; see the [module's documentation](super).
///
/// As a [`Provider`] it renews tokens with the `resource` of the tool server (RFC 8707, section 2.2),
/// and revokes them (RFC 7009). No ID token is asked for or looked at.
///
/// # Security
///
/// One tool server has one authorization server, which the application has named: refresh tokens and
/// the client's secret are sent to no other. If a tool server moves to another one, add it under
/// another provider's name, and let its users connect it anew.
pub struct ToolServer {
    pub(super) names: ToolServerNames,
    pub(super) redirect_uri: String,
    pub(super) scope: Option<String>,
    pub(super) transport: Transport,
    pub(super) registration: Arc<dyn ClientRegistration>,
    pub(super) registered: OnceCell<RegisteredClient>,
    pub(super) documents: DocumentCache<Arc<AuthorizedClient>>,
    pub(super) revocation_scope: RevocationScope,
}

impl ToolServer {
    /// Returns the address at which the tools are called.
    #[must_use]
    pub fn url(&self) -> &str {
        self.names.url.as_str()
    }

    /// Returns the resource indicator that tokens are for (RFC 8707).
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.names.resource
    }

    /// Returns the issuer identifier of the authorization server.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.names.issuer
    }

    /// Returns the address of the application to which browsers return.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Returns the application as the authorization server's client.
    pub(super) async fn authorized(&self) -> Result<Arc<AuthorizedClient>, SetupError> {
        self.documents.get(&*self.transport.clock, self.fetch()).await
    }

    async fn fetch(&self) -> Result<Arc<AuthorizedClient>, SetupError> {
        let fetched = async {
            let issuer = &self.names.issuer;
            let metadata = AuthorizationServerMetadata::fetch(issuer, &self.transport).await?;
            let client = AuthorizedClient::new(metadata.clone(), self.client(&metadata).await?)?;
            Ok(Arc::new(client))
        };
        fetched.await.inspect_err(|error: &SetupError| {
            tracing::warn!(error = %ErrorChain(error), issuer = self.names.issuer, "discovery of an authorization server failed");
        })
    }

    /// Returns the client that the application has registered, once and for this issuer alone.
    async fn client(
        &self,
        metadata: &AuthorizationServerMetadata,
    ) -> Result<&RegisteredClient, SetupError> {
        // One that hangs must not keep every connection waiting.
        let register =
            || self.transport.bounded(self.registration.register(metadata, &self.redirect_uri));
        self.registered.get_or_try_init(register).await.map_err(|error| {
            // A refusal is about the client here, and must not end a connection.
            SetupError::Registration(match error.is_refused() {
                true => ProviderError::new(ProviderErrorKind::Misconfigured).caused_by(error),
                false => error,
            })
        })
    }
}

#[async_trait]
impl Provider for ToolServer {
    async fn renew(&self, tokens: &TokenSet) -> Result<TokenResponse, ProviderError> {
        let token = tokens.refresh_token().ok_or(ProviderErrorKind::Unsupported);
        let token = token.map_err(ProviderError::new)?;
        let client = self.authorized().await?;
        client.refresh(&self.transport, token, &self.names.resource).await
    }

    async fn revoke(&self, refresh_token: &SecretString) -> Result<(), ProviderError> {
        let token = revocable_refresh_token(refresh_token);
        self.authorized().await?.revoke(&self.transport, token).await
    }

    async fn revoke_access_token(&self, access_token: &SecretString) -> Result<(), ProviderError> {
        let token = revocable_access_token(access_token);
        self.authorized().await?.revoke(&self.transport, token).await
    }

    fn revocation_scope(&self) -> RevocationScope {
        self.revocation_scope
    }
}

impl fmt::Debug for ToolServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolServer").field("names", &self.names).finish_non_exhaustive()
    }
}
