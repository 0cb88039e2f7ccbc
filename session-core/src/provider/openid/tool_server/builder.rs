//! Builds a tool server from settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::url::Url;
use tokio::sync::OnceCell;

use super::registration::ClientRegistration;
use super::resource_metadata::ToolServerNames;
use super::server::ToolServer;
use crate::clock::{Clock, SystemClock};
use crate::provider::RevocationScope;
use crate::provider::openid::document_cache::DocumentCache;
use crate::provider::openid::http_client::HttpClient;
use crate::provider::openid::setting::{InvalidSetting, safe_url};
use crate::provider::openid::transport::Transport;

const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds a [`ToolServer`].
#[must_use]
pub struct ToolServerBuilder {
    url: String,
    issuer: String,
    resource: Option<String>,
    redirect_uri: String,
    scope: Option<String>,
    registration: Option<Arc<dyn ClientRegistration>>,
    revocation_scope: RevocationScope,
    is_insecure_loopback: bool,
    transport: Transport,
}

impl ToolServer {
    /// Returns a builder for the tool server at this address, such as `https://files.example/mcp`,
    /// whose authorization server has this issuer identifier. The tool server's metadata must name it:
    /// it is in their field `authorization_servers`.
    pub fn builder(
        url: impl Into<String>,
        issuer: impl Into<String>,
        http: impl HttpClient,
    ) -> ToolServerBuilder {
        let (http, clock) = (Arc::new(http), Arc::new(SystemClock::new()));
        ToolServerBuilder {
            url: url.into(),
            issuer: issuer.into(),
            resource: None,
            redirect_uri: String::new(),
            scope: None,
            registration: None,
            revocation_scope: RevocationScope::default(),
            is_insecure_loopback: false,
            transport: Transport { http, clock, timeout: DEFAULT_CALL_TIMEOUT },
        }
    }
}

impl ToolServerBuilder {
    /// Sets the address of the application to which browsers return. It must be set.
    pub fn with_redirect_uri(mut self, address: impl Into<String>) -> Self {
        self.redirect_uri = address.into();
        self
    }

    /// Sets how the application is registered at the authorization server. It must be set; a
    /// [`RegisteredClient`](super::RegisteredClient) is the simple case.
    pub fn with_registration(mut self, registration: impl ClientRegistration) -> Self {
        self.registration = Some(Arc::new(registration));
        self
    }

    /// Sets the identifier that the tool server's metadata give as their `resource`, if it is not the
    /// address of the tools itself but one above it, such as the origin.
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Sets the scope to ask for, separated by spaces. By default it is what the tool server's
    /// challenge asks for, or else the `scopes_supported` of its metadata.
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Sets what the authorization server revokes when it revokes one refresh token. Unknown by
    /// default.
    pub const fn with_revocation_scope(mut self, scope: RevocationScope) -> Self {
        self.revocation_scope = scope;
        self
    }

    /// Sets how long each request of a connection's authorization may take (default: 10 seconds).
    pub const fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.transport.timeout = timeout;
        self
    }

    /// Sets the clock by which pending connections expire. By default the system clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.transport.clock = clock;
        self
    }

    /// Allows a tool server and an issuer at http addresses on loopback, for development.
    ///
    /// # Security
    ///
    /// Any program on this machine can then take their ports while they are away, and is sent tokens
    /// and the client's secret.
    pub const fn dangerous_insecure_loopback(mut self) -> Self {
        self.is_insecure_loopback = true;
        self
    }

    /// Builds the tool server, and calls nothing.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidSetting`] with the name of the setting: an address without https, a resource
    /// that is not above the tool server's address, no redirect URI or no registration.
    pub fn build(self) -> Result<ToolServer, InvalidSetting> {
        let names = self.names()?;
        // Browsers of this machine may return to it by http.
        safe_url("redirect_uri", &self.redirect_uri, true)?;
        let registration = self.registration;
        let registration = registration.ok_or(InvalidSetting::new("registration", "is missing"))?;
        Ok(ToolServer {
            names,
            redirect_uri: self.redirect_uri,
            scope: self.scope,
            transport: self.transport,
            registration,
            registered: OnceCell::new(),
            documents: DocumentCache::default(),
            revocation_scope: self.revocation_scope,
        })
    }

    fn names(&self) -> Result<ToolServerNames, InvalidSetting> {
        let url = safe_url("url", &self.url, self.is_insecure_loopback)?;
        let issuer = safe_url("issuer", &self.issuer, self.is_insecure_loopback)?;
        if issuer.query().is_some() {
            return Err(InvalidSetting::new("issuer", "must not have a query"));
        }
        // A remote tool server must not lead to an authorization server on this machine.
        if issuer.scheme() == "http" && url.scheme() == "https" {
            return Err(InvalidSetting::new("issuer", "must be https, as the tool server is"));
        }
        let resource = self.resource.clone().unwrap_or_else(|| self.url.clone());
        let parsed = safe_url("resource", &resource, self.is_insecure_loopback)?;
        match is_above(&parsed, &url) {
            true => Ok(ToolServerNames { url, resource, issuer: self.issuer.clone() }),
            false => Err(InvalidSetting::new(
                "resource",
                "must be the tool server's address, or one above it",
            )),
        }
    }
}

/// Returns whether an address is another one, or leads to it by further segments of its path.
fn is_above(above: &Url, url: &Url) -> bool {
    let path = above.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(path);
    above == url
        || above.origin() == url.origin()
            && above.query().is_none()
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl fmt::Debug for ToolServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolServerBuilder")
            .field("url", &self.url)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}
