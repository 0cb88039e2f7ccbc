//! The two halves of a connection's authorization.

use secrecy::SecretString;

use super::pending::{ConnectionRequest, PendingConnection};
use super::server::ToolServer;
use crate::provider::ProviderError;
use crate::provider::openid::pending::Callback;
use crate::provider::openid::setting::SetupError;
use crate::provider::openid::sign_in_error::{SignInError, SignInErrorKind};
use crate::token::TokenResponse;

/// The scope with which an authorization server issues refresh tokens (OpenID Connect Core, section
/// 11), if it names it.
const OFFLINE_ACCESS: &str = "offline_access";

impl ToolServer {
    /// Begins a connection: asks the tool server and its authorization server how, and returns the
    /// address for the browser and the record to keep until it returns.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError`] if a server cannot be reached, or its metadata are not acceptable: they
    /// are about another resource or issuer, name another authorization server, an address without
    /// https, or no PKCE; or if the application is not registered as a client.
    pub async fn connection_request(&self) -> Result<ConnectionRequest, SetupError> {
        let wanted = self.names.scope(&self.transport).await?;
        let client = self.authorized().await?;
        let mut scope = self.scope.clone().or(wanted).unwrap_or_default();
        let supported = &client.metadata.scopes_supported;
        let has_offline = scope.split(' ').any(|asked| asked == OFFLINE_ACCESS);
        if !has_offline && supported.iter().any(|known| known == OFFLINE_ACCESS) {
            scope = format!("{scope} {OFFLINE_ACCESS}");
        }
        let resource = &self.names.resource;
        let address = client.authorization_address(&self.redirect_uri, resource, &scope)?;
        let pending = PendingConnection {
            issuer: client.metadata.issuer.clone(),
            resource: resource.clone(),
            redirect_uri: self.redirect_uri.clone(),
            started_at: self.transport.clock.now().as_millis(),
            state: address.state,
            verifier: address.verifier,
        };
        Ok(ConnectionRequest { url: address.url, pending })
    }

    /// Completes a connection with the query that the browser brought back, and returns the tokens, for
    /// [`connect`](crate::SessionManager::connect).
    ///
    /// Checks the state in constant time, that the record is this tool server's, and the issuer (RFC
    /// 9207) before the code is sent anywhere, with the PKCE verifier and the `resource`.
    ///
    /// # Errors
    ///
    /// Returns [`SignInError`] if a check fails or the authorization server issues no tokens. The record
    /// cannot be used again.
    pub async fn complete_connection(
        &self,
        pending: PendingConnection,
        callback: Callback,
    ) -> Result<TokenResponse, SignInError> {
        callback.check_record(&pending.state, pending.started_at, self.transport.clock.now())?;
        if pending.resource != self.names.resource {
            return Err(SignInErrorKind::State.into());
        }
        if pending.issuer != self.names.issuer {
            return Err(SignInErrorKind::Issuer.into());
        }
        let client = self.authorized().await.map_err(ProviderError::from)?;
        let sends_iss = client.metadata.authorization_response_iss_parameter_supported;
        callback.check_answer(&pending.issuer, sends_iss)?;
        let code: SecretString = callback.code.ok_or(SignInErrorKind::MissingCode)?;
        let PendingConnection { verifier, redirect_uri, resource, .. } = &pending;
        let exchanged =
            client.exchange_code(&self.transport, &code, verifier, redirect_uri, resource);
        Ok(self.transport.bounded(exchanged).await?)
    }
}
