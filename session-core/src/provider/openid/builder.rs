//! Builds the provider from settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::Scope;
use secrecy::SecretString;

use super::discovery::Discovery;
use super::http_client::HttpClient;
use super::provider::OpenIdProvider;
use super::registration::{ClientAuthentication, Endpoint, ExchangeTarget, Registration};
use super::setting::{InvalidSetting, SetupError};
#[cfg(feature = "dpop")]
use super::token_binding::BindingPolicy;
use super::token_binding::TokenBinding;
use super::transport::Transport;
use crate::clock::{Clock, SystemClock};
use crate::provider::RevocationScope;

const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds an [`OpenIdProvider`].
#[must_use]
pub struct OpenIdBuilder {
    registration: Registration,
    transport: Transport,
    binding: TokenBinding,
}

impl OpenIdProvider {
    /// Returns a builder for the client `client_id` of the provider with this issuer identifier.
    pub fn builder(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        http: impl HttpClient,
    ) -> OpenIdBuilder {
        let registration = Registration {
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            authentication: None,
            endpoints: Vec::new(),
            is_insecure_loopback: false,
            scope_at_renewal: Vec::new(),
            revocation_scope: RevocationScope::default(),
            accepts_untyped_logout_tokens: false,
            token_exchange: None,
        };
        let (http, clock) = (Arc::new(http), Arc::new(SystemClock::new()));
        let transport = Transport { http, clock, timeout: DEFAULT_CALL_TIMEOUT };
        OpenIdBuilder { registration, transport, binding: TokenBinding::default() }
    }
}

impl OpenIdBuilder {
    /// Sets the client's secret. Without one the client is public, and only PKCE protects it.
    pub fn with_client_secret(mut self, secret: SecretString) -> Self {
        self.registration.client_secret = Some(secret);
        self
    }

    /// Sets how the secret is sent. By default as the discovery document says, and as `Basic` if it
    /// allows both.
    pub const fn with_client_authentication(mut self, how: ClientAuthentication) -> Self {
        self.registration.authentication = Some(how);
        self
    }

    /// Sets the address of an endpoint, for a provider whose discovery document does not name it.
    /// It prevails over the document.
    pub fn with_endpoint(mut self, endpoint: Endpoint, address: impl Into<String>) -> Self {
        self.registration.endpoints.push((endpoint, address.into()));
        self
    }

    /// Sets the scope to request at each renewal, separated by spaces. By default none is requested,
    /// which means the scope that was granted (R2).
    ///
    /// Few providers need it. It must not exceed what was granted (RFC 6749, section 6).
    pub fn with_scope_at_renewal(mut self, scope: &str) -> Self {
        let scopes = scope.split_ascii_whitespace();
        self.registration.scope_at_renewal =
            scopes.map(|scope| Scope::new(scope.to_owned())).collect();
        self
    }

    /// Fetches access tokens for further resources by token exchange (RFC 8693) of the session's access
    /// token, instead of with its refresh token and a resource indicator (RFC 8707).
    pub const fn with_token_exchange(mut self, target: ExchangeTarget) -> Self {
        self.registration.token_exchange = Some(target);
        self
    }

    /// Sets what the provider revokes when it revokes one refresh token. Unknown by default.
    pub const fn with_revocation_scope(mut self, scope: RevocationScope) -> Self {
        self.registration.revocation_scope = scope;
        self
    }

    /// Sets how long discovery, the keys and the exchange of a code may take (default: 10 seconds).
    ///
    /// Renewals and revocations are bounded by the policy's `provider_timeout`.
    pub const fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.transport.timeout = timeout;
        self
    }

    /// Sets the clock by which ID tokens and sign-ins expire. By default the system clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.transport.clock = clock;
        self
    }

    /// Accepts logout tokens without a `typ`, or with `JWT`, of a provider that does not write
    /// `logout+jwt` (B2).
    pub const fn accept_untyped_logout_tokens(mut self) -> Self {
        self.registration.accepts_untyped_logout_tokens = true;
        self
    }

    /// Binds the tokens of each sign-in to a key of its own (DPoP, RFC 9449), so that they are of no
    /// use to others; see [`dpop`](crate::dpop).
    ///
    /// Tokens that the provider has not bound are refused: a sign-in fails, and so does a renewal of
    /// tokens that are bound. Sessions from before keep their bearer tokens.
    #[cfg(feature = "dpop")]
    pub const fn require_dpop(mut self) -> Self {
        self.binding.policy = BindingPolicy::Required;
        self
    }

    /// Binds tokens like [`require_dpop`](Self::require_dpop) if the provider does so, and accepts
    /// bearer tokens of one that does not.
    ///
    /// # Security
    ///
    /// Whether tokens are bound is then the provider's decision, which may change without a notice.
    #[cfg(feature = "dpop")]
    pub const fn prefer_dpop(mut self) -> Self {
        self.binding.policy = BindingPolicy::Preferred;
        self
    }

    /// Allows an issuer at an http address on loopback, such as a provider for development.
    ///
    /// # Security
    ///
    /// Any program on this machine can then take the provider's port while the provider is away,
    /// and is sent the client's secret and refresh tokens.
    pub const fn dangerous_insecure_loopback(mut self) -> Self {
        self.registration.is_insecure_loopback = true;
        self
    }

    /// Builds the provider, and calls nothing: the discovery document (OpenID Connect Discovery,
    /// section 4) is fetched at the first need, and again after a failure and after a day. So an
    /// application starts, and serves its sessions, while its provider is away.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidSetting`] with the name of the setting: an address without https, an empty
    /// client id or secret.
    pub fn build(self) -> Result<OpenIdProvider, InvalidSetting> {
        self.registration.check()?;
        let Self { registration, transport, binding } = self;
        let discovery = Discovery::default();
        Ok(OpenIdProvider { registration, transport, discovery, binding })
    }

    /// Builds the provider and fetches the discovery document and the keys, for a start that is to
    /// fail if they cannot be had.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError`] in the cases of [`build`](Self::build) and of
    /// [`OpenIdProvider::discover`].
    pub async fn discover(self) -> Result<OpenIdProvider, SetupError> {
        let provider = self.build()?;
        provider.discover().await?;
        Ok(provider)
    }
}

impl fmt::Debug for OpenIdBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdBuilder")
            .field("issuer", &self.registration.issuer)
            .field("client_id", &self.registration.client_id)
            .finish_non_exhaustive()
    }
}
