//! What a provider's discovery document says, together with the registration.

use http::Uri;
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, ClientId, ClientSecret, EndSessionUrl, EndpointNotSet,
    EndpointSet, JsonWebKeySet, ProviderMetadata, RevocationUrl, TokenUrl,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::id_token::IdTokenCheck;
use super::registration::{Endpoint, Registration};
use super::setting::InvalidSetting;

/// The addresses of a provider, checked: https, or http on loopback where that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoints {
    /// Where browsers sign in.
    pub authorization: Uri,
    /// Where browsers sign out, if the provider offers it.
    pub end_session: Option<Uri>,
    /// The keys.
    pub keys: Uri,
    /// Where tokens are revoked, if the provider offers it.
    pub revocation: Option<Uri>,
    /// Where tokens are issued.
    pub token: Uri,
    /// The claims about a user, if the provider offers them.
    pub userinfo: Option<Uri>,
}

/// The fields of a discovery document that the openidconnect crate does not read.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct FurtherMetadata {
    /// RFC 9207, section 3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    /// RP-Initiated Logout 1.0, section 2.1.
    end_session_endpoint: Option<EndSessionUrl>,
    /// RFC 8414, section 2.
    revocation_endpoint: Option<RevocationUrl>,
}

impl AdditionalProviderMetadata for FurtherMetadata {}

pub(super) type Document = ProviderMetadata<
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

pub(super) type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

/// The provider as the client uses it.
pub(super) struct Metadata {
    /// Whether the issuer names itself in the authorization response (RFC 9207).
    pub(super) sends_iss: bool,
    pub(super) client: Client,
    pub(super) endpoints: Endpoints,
    pub(super) id_token: IdTokenCheck,
}

impl Metadata {
    /// Checks the document, and adds what the registration says.
    pub(super) fn new(
        document: &Document,
        registration: &Registration,
    ) -> Result<Self, InvalidSetting> {
        if document.issuer().as_str() != registration.issuer {
            let problem = "is not the issuer in the discovery document";
            return Err(InvalidSetting::new("issuer", problem));
        }
        let endpoints = endpoints(document, registration)?;
        let client_id = ClientId::new(registration.client_id.clone());
        let secret = registration.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let auth_type = registration.auth_type(document.token_endpoint_auth_methods_supported())?;
        let algorithms = document.id_token_signing_alg_values_supported().clone();
        let issuer = document.issuer().clone();
        let further = document.additional_metadata();
        Ok(Self {
            sends_iss: further.authorization_response_iss_parameter_supported,
            id_token: IdTokenCheck::new(client_id.clone(), secret.clone(), issuer, algorithms),
            client: client(document, &endpoints, client_id, secret)?.set_auth_type(auth_type),
            endpoints,
        })
    }
}

fn client(
    document: &Document,
    endpoints: &Endpoints,
    client_id: ClientId,
    secret: Option<ClientSecret>,
) -> Result<Client, InvalidSetting> {
    let invalid = |endpoint: Endpoint| InvalidSetting::new(endpoint.field(), "is not a URL");
    let authorization = AuthUrl::new(endpoints.authorization.to_string())
        .map_err(|_| invalid(Endpoint::Authorization))?;
    let token = TokenUrl::new(endpoints.token.to_string()).map_err(|_| invalid(Endpoint::Token))?;
    let client = CoreClient::new(client_id, document.issuer().clone(), JsonWebKeySet::default())
        .set_auth_uri(authorization)
        .set_token_uri(token);
    Ok(match secret {
        Some(secret) => client.set_client_secret(secret),
        None => client,
    })
}

fn endpoints(
    document: &Document,
    registration: &Registration,
) -> Result<Endpoints, InvalidSetting> {
    let further = document.additional_metadata();
    let optional = |endpoint, in_document| registration.endpoint(endpoint, in_document);
    let required = |endpoint: Endpoint, in_document| {
        let missing = || InvalidSetting::new(endpoint.field(), "is missing");
        optional(endpoint, in_document)?.ok_or_else(missing)
    };
    let authorization = document.authorization_endpoint().as_str();
    let end_session = further.end_session_endpoint.as_ref().map(|url| url.as_str());
    let revocation = further.revocation_endpoint.as_ref().map(|url| url.as_str());
    let token = document.token_endpoint().map(|url| url.as_str());
    let userinfo = document.userinfo_endpoint().map(|url| url.as_str());
    Ok(Endpoints {
        authorization: required(Endpoint::Authorization, Some(authorization))?,
        end_session: optional(Endpoint::EndSession, end_session)?,
        keys: required(Endpoint::Keys, Some(document.jwks_uri().as_str()))?,
        revocation: optional(Endpoint::Revocation, revocation)?,
        token: required(Endpoint::Token, token)?,
        userinfo: optional(Endpoint::Userinfo, userinfo)?,
    })
}
