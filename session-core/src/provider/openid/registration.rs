//! The client registration: what the application has set about a provider, and its checks.

use http::Uri;
use openidconnect::core::CoreClientAuthMethod;
use openidconnect::url::Url;
use openidconnect::{AuthType, Scope};
use secrecy::{ExposeSecret, SecretString};

use super::setting::{InvalidSetting, safe_endpoint, safe_url};
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

/// The parameter of a token exchange that names the resource (RFC 8693, section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExchangeTarget {
    /// `audience`: the name of the resource at the provider, as Keycloak takes it.
    Audience,
    /// `resource`: the address of the resource.
    Resource,
}

impl ExchangeTarget {
    pub(super) const fn parameter(self) -> &'static str {
        match self {
            Self::Audience => "audience",
            Self::Resource => "resource",
        }
    }
}

/// An endpoint of a provider, by its field in the discovery document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// Where browsers sign in: `authorization_endpoint`.
    Authorization,
    /// Where browsers sign out: `end_session_endpoint` (RP-Initiated Logout 1.0, section 2.1).
    EndSession,
    /// The keys: `jwks_uri`.
    Keys,
    /// Where tokens are revoked: `revocation_endpoint` (RFC 8414, section 2).
    Revocation,
    /// Where tokens are issued: `token_endpoint`.
    Token,
    /// The claims about a user: `userinfo_endpoint`.
    Userinfo,
}

impl Endpoint {
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Authorization => "authorization_endpoint",
            Self::EndSession => "end_session_endpoint",
            Self::Keys => "jwks_uri",
            Self::Revocation => "revocation_endpoint",
            Self::Token => "token_endpoint",
            Self::Userinfo => "userinfo_endpoint",
        }
    }
}

/// The settings of one client at one provider.
pub(super) struct Registration {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<SecretString>,
    pub(super) authentication: Option<ClientAuthentication>,
    /// The endpoints that the application knows better than the discovery document.
    pub(super) endpoints: Vec<(Endpoint, String)>,
    pub(super) is_insecure_loopback: bool,
    pub(super) scope_at_renewal: Vec<Scope>,
    pub(super) revocation_scope: RevocationScope,
    pub(super) accepts_untyped_logout_tokens: bool,
    /// How tokens for further resources are asked for, if not with the refresh token.
    pub(super) token_exchange: Option<ExchangeTarget>,
}

impl Registration {
    /// Checks what can be checked without the provider.
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        let issuer = self.issuer_url()?;
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
        for (endpoint, address) in &self.endpoints {
            self.checked(*endpoint, address)?;
        }
        Ok(())
    }

    /// Returns the address of an endpoint: the application's, or else the document's.
    pub(super) fn endpoint(
        &self,
        endpoint: Endpoint,
        in_document: Option<&str>,
    ) -> Result<Option<Uri>, InvalidSetting> {
        let set = self.endpoints.iter().rfind(|(known, _)| *known == endpoint);
        let address = set.map(|(_, address)| address.as_str()).or(in_document);
        address.map(|address| self.checked(endpoint, address)).transpose()
    }

    fn checked(&self, endpoint: Endpoint, address: &str) -> Result<Uri, InvalidSetting> {
        safe_endpoint(endpoint.field(), address, &self.issuer_url()?)
    }

    pub(super) fn issuer_url(&self) -> Result<Url, InvalidSetting> {
        safe_url("issuer", &self.issuer, self.is_insecure_loopback)
    }

    /// Decides how the client authenticates, by what the document supports.
    pub(super) fn auth_type(
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

const BASIC: CoreClientAuthMethod = CoreClientAuthMethod::ClientSecretBasic;
