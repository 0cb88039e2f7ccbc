//! Builds the connections, and refuses what cannot work.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use session_core::ProviderName;
use session_core::provider::tool_server::ToolServer;

use super::connections::{
    AnswerConnectFailure, NamedServer, Parts, ToolConnections, address_of_callback,
};
use super::failure::ConnectFailure;
use crate::sign_in::OpenIdSignIn;

/// Builds [`ToolConnections`].
#[must_use]
pub struct ToolConnectionsBuilder {
    sign_in: OpenIdSignIn,
    servers: Vec<NamedServer>,
    failure_response: Option<Box<AnswerConnectFailure>>,
}

/// Tool connections cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tool server {name:?} {problem}")]
#[non_exhaustive]
pub struct ToolConfigError {
    name: String,
    problem: String,
}

impl ToolConnections {
    /// Returns a builder of the connections for the users of this sign-in, under its public address.
    pub fn builder(sign_in: &OpenIdSignIn) -> ToolConnectionsBuilder {
        ToolConnectionsBuilder {
            sign_in: sign_in.clone(),
            servers: Vec::new(),
            failure_response: None,
        }
    }
}

impl ToolConnectionsBuilder {
    /// Adds a tool server, under the name that the manager knows it by, such as `mcp:files`.
    pub fn server(mut self, name: ProviderName, server: Arc<ToolServer>) -> Self {
        self.servers.push(NamedServer { name, server });
        self
    }

    /// Sets how a failed connection is answered, from the failure and the request's headers (default:
    /// [`ConnectFailure::response`], a plain page or a problem document).
    pub fn failure_response(
        mut self,
        response: impl Fn(&ConnectFailure, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.failure_response = Some(Box::new(response));
        self
    }

    /// Builds the connections.
    ///
    /// # Errors
    ///
    /// Returns [`ToolConfigError`] if a name is there twice or is none of the manager's, a redirect URI
    /// is not of the site's public address, or two authorization servers have the same one.
    pub fn build(self) -> Result<ToolConnections, ToolConfigError> {
        for (at, one) in self.servers.iter().enumerate() {
            if let Some(problem) = self.problem_of(one, at) {
                return Err(ToolConfigError { name: one.name.as_str().to_owned(), problem });
            }
        }
        Ok(ToolConnections::of(Parts {
            sign_in: self.sign_in,
            servers: self.servers,
            failure_response: self.failure_response,
        }))
    }

    fn problem_of(&self, one: &NamedServer, at: usize) -> Option<String> {
        let name = one.name.as_str();
        if self.servers.iter().skip(at + 1).any(|other| other.name == one.name) {
            return Some("is there twice".to_owned());
        }
        let is_mixed_up = |other: &&NamedServer| {
            other.server.redirect_uri() == one.server.redirect_uri()
                && other.server.issuer() != one.server.issuer()
        };
        if let Some(other) = self.servers.iter().find(is_mixed_up) {
            return Some(format!(
                "has the redirect URI of {:?}, whose authorization server is another one: give each \
                 authorization server its own, so that one cannot answer for the other (mix-up)",
                other.name.as_str()
            ));
        }
        if !self.sign_in.flow.manager.has_provider(&one.name) {
            return Some(format!(
                "is none of the manager's: add `.provider({name:?}, ..)` to \
                 `SessionManager::builder`, or correct the name"
            ));
        }
        let redirect_uri = one.server.redirect_uri();
        let of_site = address_of_callback(&self.sign_in, &one.server, &HeaderMap::new());
        (of_site != redirect_uri).then(|| {
            format!(
                "returns to {redirect_uri}, which is no path of the site: it would be {of_site}"
            )
        })
    }
}

impl fmt::Debug for ToolConnectionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolConnectionsBuilder")
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}
