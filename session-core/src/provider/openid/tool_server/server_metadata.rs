//! The metadata of an authorization server (RFC 8414), in either of its two places.

use http::Uri;
use openidconnect::url::Url;
use serde::Deserialize;

use crate::provider::ProviderErrorKind;
use crate::provider::openid::answer::Answer;
use crate::provider::openid::setting::{InvalidSetting, SetupError, safe_endpoint};
use crate::provider::openid::transport::Transport;

/// The verified metadata of an authorization server (RFC 8414, section 2): its issuer is the one that
/// was asked for, its addresses are https (or http on loopback, where that is allowed), and it knows
/// PKCE with `S256`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthorizationServerMetadata {
    /// Where browsers go.
    pub authorization_endpoint: Uri,
    /// Whether it names itself in the authorization response (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
    /// Whether a client id may be the address of a document that describes the client.
    pub client_id_metadata_document_supported: bool,
    /// The issuer identifier.
    pub issuer: String,
    /// Where clients register dynamically (RFC 7591), if it offers it.
    pub registration_endpoint: Option<Uri>,
    /// Where tokens are revoked, if it offers it.
    pub revocation_endpoint: Option<Uri>,
    /// The scopes that it names.
    pub scopes_supported: Vec<String>,
    /// Where tokens are issued.
    pub token_endpoint: Uri,
    /// How clients authenticate there; `None` if it does not say it.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// The document, not yet verified.
#[derive(Deserialize)]
struct ServerDocument {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    registration_endpoint: Option<String>,
    scopes_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    client_id_metadata_document_supported: bool,
}

impl AuthorizationServerMetadata {
    /// Fetches the metadata of this issuer: from the first of its well-known addresses that has a
    /// document.
    pub(super) async fn fetch(issuer: &str, transport: &Transport) -> Result<Self, SetupError> {
        let invalid = InvalidSetting::new("issuer", "is not a URL");
        let url = Url::parse(issuer).map_err(|_| invalid)?;
        let mut failed = SetupError::from(invalid);
        for address in addresses(&url) {
            let answer = transport.get(&address.as_str().parse().map_err(|_| invalid)?).await;
            match answer.and_then(Answer::into_document) {
                Ok(document) => return Ok(Self::verified(document, issuer, &url)?),
                Err(error) => {
                    let is_absent = matches!(
                        error.kind(),
                        ProviderErrorKind::Malformed | ProviderErrorKind::Rejected
                    );
                    failed = SetupError::Discovery(error);
                    if !is_absent {
                        break;
                    }
                }
            }
        }
        Err(failed)
    }

    fn verified(document: ServerDocument, issuer: &str, url: &Url) -> Result<Self, InvalidSetting> {
        if document.issuer != issuer {
            let problem = "is not the issuer in the metadata document";
            return Err(InvalidSetting::new("issuer", problem));
        }
        let methods = document.code_challenge_methods_supported.unwrap_or_default();
        if !methods.iter().any(|method| method == "S256") {
            let problem = "must have S256: without PKCE no connection is begun";
            return Err(InvalidSetting::new("code_challenge_methods_supported", problem));
        }
        let optional = |field, address: Option<String>| {
            address.map(|address| safe_endpoint(field, &address, url)).transpose()
        };
        let required = |field, address| {
            optional(field, address)?.ok_or(InvalidSetting::new(field, "is missing"))
        };
        Ok(Self {
            authorization_endpoint: required(
                "authorization_endpoint",
                document.authorization_endpoint,
            )?,
            authorization_response_iss_parameter_supported: document
                .authorization_response_iss_parameter_supported,
            client_id_metadata_document_supported: document.client_id_metadata_document_supported,
            issuer: document.issuer,
            registration_endpoint: optional(
                "registration_endpoint",
                document.registration_endpoint,
            )?,
            revocation_endpoint: optional("revocation_endpoint", document.revocation_endpoint)?,
            scopes_supported: document.scopes_supported.unwrap_or_default(),
            token_endpoint: required("token_endpoint", document.token_endpoint)?,
            token_endpoint_auth_methods_supported: document.token_endpoint_auth_methods_supported,
        })
    }
}

/// Returns the well-known addresses of an issuer, in their order: RFC 8414, section 3.1, then section
/// 5 for OpenID providers, and at last OpenID Connect Discovery, section 4.
fn addresses(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    let mut addresses = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    if !path.is_empty() {
        addresses.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::{Url, addresses};

    fn paths(issuer: &str) -> Vec<String> {
        let url = Url::parse(issuer).unwrap();
        addresses(&url).iter().map(|address| address.path().to_owned()).collect()
    }

    #[test]
    fn the_path_of_an_issuer_is_inserted_and_then_appended() {
        let root = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
        assert_eq!(paths("https://id.example"), root);
        assert_eq!(paths("https://id.example/"), root);
        for issuer in ["https://id.example/a/b", "https://id.example/a/b/"] {
            let expected = [
                "/.well-known/oauth-authorization-server/a/b",
                "/.well-known/openid-configuration/a/b",
                "/a/b/.well-known/openid-configuration",
            ];
            assert_eq!(paths(issuer), expected, "{issuer}");
        }
    }
}
