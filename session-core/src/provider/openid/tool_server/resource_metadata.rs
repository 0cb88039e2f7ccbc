//! What a tool server says about itself: its challenge, and its metadata (RFC 9728).

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use openidconnect::url::Url;
use serde::Deserialize;

use super::challenge::Challenge;
use crate::provider::openid::answer::Answer;
use crate::provider::openid::setting::{InvalidSetting, SetupError};
use crate::provider::openid::transport::Transport;
use crate::provider::{ProviderError, ProviderErrorKind};

/// The names of the tool server and its authorization server, as the application has set them.
#[derive(Debug)]
pub(super) struct ToolServerNames {
    /// Where the tools are called.
    pub(super) url: Url,
    /// The resource indicator (RFC 8707): the address of the tools, or an address above it.
    pub(super) resource: String,
    pub(super) issuer: String,
}

/// The metadata of a protected resource (RFC 9728, section 2).
#[derive(Deserialize)]
struct ResourceDocument {
    resource: String,
    authorization_servers: Option<Vec<String>>,
    scopes_supported: Option<Vec<String>>,
}

impl ToolServerNames {
    /// Asks the tool server how to get a token, and returns the scope that it wants, if it says so.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError`] if its metadata are about another resource (RFC 9728, section 3.3), or do
    /// not name the authorization server that the application has named.
    pub(super) async fn scope(&self, transport: &Transport) -> Result<Option<String>, SetupError> {
        let challenge = self.challenge(transport).await?;
        let document = match &challenge.resource_metadata {
            Some(address) => fetch(&self.of_own_origin(address)?, transport).await,
            None => self.well_known(transport).await,
        };
        let document = document?;
        self.check(&document)?;
        let supported = document.scopes_supported.map(|scopes| scopes.join(" "));
        Ok(challenge.scope.or(supported).filter(|scope| !scope.is_empty()))
    }

    /// Sends a request without a token.
    async fn challenge(&self, transport: &Transport) -> Result<Challenge, SetupError> {
        let mut request = Request::new(Vec::new());
        let address = self.url.as_str().parse();
        *request.uri_mut() = address.map_err(|_| InvalidSetting::new("url", "is not a URL"))?;
        let accepted = HeaderValue::from_static("application/json, text/event-stream");
        request.headers_mut().insert(ACCEPT, accepted);
        let call = async {
            let sent = transport.http.send(request).await;
            sent.map_err(|cause| {
                ProviderError::new(ProviderErrorKind::Unavailable).caused_by(cause)
            })
        };
        // A server that asks for no token may answer with a stream that does not end.
        let response = transport.bounded(call).await.ok();
        let challenge = response.filter(|response| response.status() == StatusCode::UNAUTHORIZED);
        let none = HeaderMap::new();
        Ok(Challenge::of(challenge.as_ref().map_or(&none, |response| response.headers())))
    }

    /// Fetches the metadata from their well-known address (section 3.1), or from that of the origin,
    /// as the MCP specification allows.
    async fn well_known(&self, transport: &Transport) -> Result<ResourceDocument, SetupError> {
        let path = self.url.path().trim_end_matches('/');
        let at = |path: &str| {
            let mut url = self.url.clone();
            url.set_query(None);
            url.set_path(&format!("/.well-known/oauth-protected-resource{path}"));
            url
        };
        match fetch(&at(path), transport).await {
            Err(error) if !path.is_empty() && !error.is_transient() => {
                fetch(&at(""), transport).await
            }
            fetched => fetched,
        }
    }

    /// Parses the address of the metadata in a challenge. A tool server must not direct requests to
    /// other hosts.
    fn of_own_origin(&self, address: &str) -> Result<Url, InvalidSetting> {
        let invalid = |problem| InvalidSetting::new("resource_metadata", problem);
        let url = Url::parse(address).map_err(|_| invalid("is not a URL"))?;
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        match url.origin() == self.url.origin() && !has_credentials {
            true => Ok(url),
            false => Err(invalid("is not of the tool server's origin")),
        }
    }

    fn check(&self, document: &ResourceDocument) -> Result<(), InvalidSetting> {
        if !is_same_address(&document.resource, &self.resource) {
            let problem = "is not the address of the tool server: if it is one above it, set it by \
                           `with_resource`";
            return Err(InvalidSetting::new("resource", problem));
        }
        let servers = document.authorization_servers.as_deref().unwrap_or_default();
        match servers.contains(&self.issuer) {
            true => Ok(()),
            false => Err(InvalidSetting::new(
                "authorization_servers",
                "does not have the issuer that the application has named",
            )),
        }
    }
}

async fn fetch(address: &Url, transport: &Transport) -> Result<ResourceDocument, SetupError> {
    let invalid = |_| InvalidSetting::new("resource_metadata", "is not a URL");
    let answer = transport.get(&address.as_str().parse().map_err(invalid)?).await;
    answer.and_then(Answer::into_document).map_err(SetupError::Discovery)
}

/// Returns whether two texts are the same address: in the case of scheme and host, in the default port
/// and in an empty path there is no difference.
fn is_same_address(one: &str, other: &str) -> bool {
    match (Url::parse(one), Url::parse(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
