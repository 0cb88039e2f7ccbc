//! Builds the provider from settings and its discovery document.

use std::fmt;
use std::sync::Arc;

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::url::Url;
use openidconnect::{
    AdditionalProviderMetadata, AuthType, ClientId, ClientSecret, DiscoveryError, EndSessionUrl,
    IssuerUrl, JsonWebKeySet, ProviderMetadata, RevocationUrl, Scope, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::exchange::Exchange;
use super::http_client::HttpClient;
use super::id_token::IdTokenCheck;
use super::keys::KeySet;
use super::provider::{Endpoints, OpenIdProvider};
use super::setting::{InvalidSetting, SetupError, safe_endpoint, safe_url};
use crate::clock::{Clock, SystemClock};
use crate::provider::RevocationScope;

/// How a client with a secret authenticates at the token endpoint (OpenID Connect Core, section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// In the `Authorization` header: `client_secret_basic`, which every provider must support.
    Basic,
    /// In the form body: `client_secret_post`.
    Post,
}

/// Builds an [`OpenIdProvider`].
#[must_use]
pub struct OpenIdBuilder {
    issuer: String,
    client_id: String,
    client_secret: Option<SecretString>,
    authentication: Option<ClientAuthentication>,
    scope_at_renewal: Vec<Scope>,
    revocation_scope: RevocationScope,
    clock: Arc<dyn Clock>,
    http: Arc<dyn HttpClient>,
}

impl fmt::Debug for OpenIdBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdBuilder")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl OpenIdProvider {
    /// Returns a builder for the client `client_id` of the provider with this issuer identifier.
    pub fn builder(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        http: impl HttpClient,
    ) -> OpenIdBuilder {
        OpenIdBuilder::new(issuer.into(), client_id.into(), Arc::new(http))
    }

    /// Creates the provider from its discovery document, with default settings.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError`] in the cases of [`OpenIdBuilder::discover`].
    pub async fn discover(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: Option<SecretString>,
        http: impl HttpClient,
    ) -> Result<Self, SetupError> {
        let builder = Self::builder(issuer, client_id, http);
        match client_secret {
            Some(secret) => builder.with_client_secret(secret).discover().await,
            None => builder.discover().await,
        }
    }
}

impl OpenIdBuilder {
    fn new(issuer: String, client_id: String, http: Arc<dyn HttpClient>) -> Self {
        Self {
            issuer,
            client_id,
            client_secret: None,
            authentication: None,
            scope_at_renewal: Vec::new(),
            revocation_scope: RevocationScope::default(),
            clock: Arc::new(SystemClock::new()),
            http,
        }
    }

    /// Sets the client's secret. Without one the client is public, and only PKCE protects it.
    pub fn with_client_secret(mut self, secret: SecretString) -> Self {
        self.client_secret = Some(secret);
        self
    }

    /// Sets how the secret is sent. By default as the discovery document says, and as `Basic` if it
    /// allows both.
    pub const fn with_client_authentication(mut self, how: ClientAuthentication) -> Self {
        self.authentication = Some(how);
        self
    }

    /// Sets the scope to request at each renewal, separated by spaces. By default none is requested,
    /// which means the scope that was granted (R2).
    ///
    /// Few providers need it. It must not exceed what was granted (RFC 6749, section 6).
    pub fn with_scope_at_renewal(mut self, scope: &str) -> Self {
        let scopes = scope.split_ascii_whitespace();
        self.scope_at_renewal = scopes.map(|scope| Scope::new(scope.to_owned())).collect();
        self
    }

    /// Sets what the provider revokes when it revokes one refresh token. Unknown by default.
    pub const fn with_revocation_scope(mut self, scope: RevocationScope) -> Self {
        self.revocation_scope = scope;
        self
    }

    /// Sets the clock by which ID tokens and sign-ins expire. By default the system clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Creates the provider from its discovery document (OpenID Connect Discovery, section 4).
    ///
    /// Fetches the document and the keys once. The only timeout is that of the HTTP client.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError`] with the name of the setting or of the field of the document that is
    /// invalid (an address without https that is not on loopback, an empty client id or secret, a
    /// different issuer than the requested one), or if the document cannot be fetched.
    pub async fn discover(self) -> Result<OpenIdProvider, SetupError> {
        let issuer = self.checked_issuer()?;
        let metadata = self.metadata().await?;
        let endpoints = endpoints(&metadata, &issuer)?;
        let auth_type = self.auth_type(metadata.token_endpoint_auth_methods_supported())?;
        let client_id = ClientId::new(self.client_id);
        let secret =
            self.client_secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let token_url = TokenUrl::new(endpoints.token.to_string());
        let token_url =
            token_url.map_err(|_| InvalidSetting::new("token_endpoint", "is not a URL"))?;
        let mut client =
            CoreClient::new(client_id.clone(), metadata.issuer().clone(), JsonWebKeySet::default())
                .set_auth_uri(metadata.authorization_endpoint().clone())
                .set_token_uri(token_url)
                .set_auth_type(auth_type);
        if let Some(secret) = &secret {
            client = client.set_client_secret(secret.clone());
        }
        let algorithms = metadata.id_token_signing_alg_values_supported().clone();
        Ok(OpenIdProvider {
            issuer: metadata.issuer().as_str().to_owned(),
            sends_iss: metadata
                .additional_metadata()
                .authorization_response_iss_parameter_supported,
            id_token: IdTokenCheck::new(client_id, secret, metadata.issuer().clone(), algorithms),
            keys: KeySet::new(metadata.jwks_uri().clone(), metadata.jwks().clone()),
            client,
            endpoints,
            scope_at_renewal: self.scope_at_renewal,
            revocation_scope: self.revocation_scope,
            clock: self.clock,
            http: self.http,
        })
    }

    fn checked_issuer(&self) -> Result<Url, InvalidSetting> {
        let issuer = safe_url("issuer", &self.issuer)?;
        if issuer.query().is_some() {
            return Err(InvalidSetting::new("issuer", "must not have a query"));
        }
        if self.client_id.trim().is_empty() {
            return Err(InvalidSetting::new("client_id", "must not be empty"));
        }
        let secret = self.client_secret.as_ref().map(SecretString::expose_secret);
        if secret.is_some_and(|secret| secret.trim().is_empty()) {
            return Err(InvalidSetting::new("client_secret", "must not be empty"));
        }
        Ok(issuer)
    }

    async fn metadata(&self) -> Result<Metadata, SetupError> {
        let issuer = IssuerUrl::new(self.issuer.clone())
            .map_err(|_| InvalidSetting::new("issuer", "is not a URL"))?;
        let exchange = Exchange::public(&*self.http);
        match Metadata::discover_async(issuer, &exchange).await {
            Ok(metadata) => Ok(metadata),
            // The issuer is the only thing that the crate validates.
            Err(DiscoveryError::Validation(_)) => Err(SetupError::Setting(InvalidSetting::new(
                "issuer",
                "is not the issuer in the discovery document",
            ))),
            Err(error) => Err(SetupError::Discovery(match exchange.into_answer() {
                Ok(answer) => answer.into_error().caused_by(Unusable(error.to_string())),
                Err(error) => error,
            })),
        }
    }

    fn auth_type(
        &self,
        supported: Option<&Vec<CoreClientAuthMethod>>,
    ) -> Result<AuthType, InvalidSetting> {
        // Without this field the document means Basic (Discovery, section 3).
        let allows = |method| supported.map_or(method == BASIC, |known| known.contains(&method));
        match self.authentication {
            _ if self.client_secret.is_none() => Ok(AuthType::RequestBody),
            Some(ClientAuthentication::Basic) => Ok(AuthType::BasicAuth),
            Some(ClientAuthentication::Post) => Ok(AuthType::RequestBody),
            None if allows(BASIC) => Ok(AuthType::BasicAuth),
            None if allows(CoreClientAuthMethod::ClientSecretPost) => Ok(AuthType::RequestBody),
            None => Err(InvalidSetting::new(
                "token_endpoint_auth_methods_supported",
                "has no supported method",
            )),
        }
    }
}

/// The reason why a public document cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(String);

const BASIC: CoreClientAuthMethod = CoreClientAuthMethod::ClientSecretBasic;

/// The fields of a discovery document that the crate does not read.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct FurtherMetadata {
    /// RFC 9207, section 3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    /// RP-Initiated Logout 1.0, section 2.1.
    end_session_endpoint: Option<EndSessionUrl>,
    /// RFC 8414, section 2.
    revocation_endpoint: Option<RevocationUrl>,
}

impl AdditionalProviderMetadata for FurtherMetadata {}

type Metadata = ProviderMetadata<
    FurtherMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

fn endpoints(metadata: &Metadata, issuer: &Url) -> Result<Endpoints, InvalidSetting> {
    let further = metadata.additional_metadata();
    let checked = |field, text: &str| safe_endpoint(field, text, issuer);
    checked("authorization_endpoint", metadata.authorization_endpoint().as_str())?;
    checked("jwks_uri", metadata.jwks_uri().as_str())?;
    let token = metadata.token_endpoint();
    let token = token.ok_or_else(|| InvalidSetting::new("token_endpoint", "is missing"))?;
    let revocation = further.revocation_endpoint.as_ref();
    let end_session = further.end_session_endpoint.as_ref();
    if let Some(url) = end_session {
        checked("end_session_endpoint", url.as_str())?;
    }
    Ok(Endpoints {
        token: checked("token_endpoint", token.as_str())?,
        revocation: revocation
            .map(|url| checked("revocation_endpoint", url.as_str()))
            .transpose()?,
        end_session: end_session.cloned(),
    })
}
