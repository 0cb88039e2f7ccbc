//! The provider for a service like GitHub: no renewal, and revoking deletes the token.

mod service;

use std::fmt;

use async_trait::async_trait;
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use session_core::provider::{ProviderError, ProviderErrorKind, RevocationScope};
use session_core::{Provider, TokenResponse, TokenSet};

use crate::http::{status_error, unanswered};

pub(crate) use service::Forge;

/// The application's client at the service.
#[derive(Clone)]
pub(crate) struct ForgeProvider {
    http: reqwest::Client,
    address: String,
}

impl ForgeProvider {
    pub(crate) fn new(http: reqwest::Client, address: &str) -> Self {
        Self { http, address: address.to_owned() }
    }

    /// Exchanges the authorization code for tokens.
    pub(crate) async fn exchange(&self, code: &str) -> Result<TokenResponse, ProviderError> {
        let request = self.http.post(format!("{}/login/oauth/access_token", self.address));
        let answer = request.json(&json!({ "code": code })).send().await.map_err(unanswered)?;
        let answer = check_status(answer)?.bytes().await.map_err(unanswered)?;
        // The response is as in RFC 6749, but without a lifetime and a refresh token.
        let malformed = |_| ProviderError::new(ProviderErrorKind::Malformed);
        TokenResponse::from_json(&answer).map_err(malformed)
    }

    /// Returns the user of a token, or `None` if the service rejects it.
    pub(crate) async fn user(&self, access_token: &str) -> Result<Option<String>, reqwest::Error> {
        let request = self.http.get(format!("{}/user", self.address)).bearer_auth(access_token);
        let answer = request.send().await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        answer.error_for_status()?.text().await.map(Some)
    }
}

#[async_trait]
impl Provider for ForgeProvider {
    /// Fails: there is no refresh token, and after a deleted token the user must sign in again.
    async fn renew(&self, _: &TokenSet) -> Result<TokenResponse, ProviderError> {
        Err(ProviderError::new(ProviderErrorKind::Unsupported))
    }

    /// Fails: there is no refresh token.
    async fn revoke(&self, _: &SecretString) -> Result<(), ProviderError> {
        Err(ProviderError::new(ProviderErrorKind::Unsupported))
    }

    /// Deletes a token. A token that was deleted before is a success.
    async fn revoke_access_token(&self, token: &SecretString) -> Result<(), ProviderError> {
        let request = self.http.delete(format!("{}/applications/my-app/token", self.address));
        let body = json!({ "access_token": token.expose_secret() });
        let answer = request.json(&body).send().await.map_err(unanswered)?;
        if answer.status() == StatusCode::NOT_FOUND {
            Ok(())
        } else {
            check_status(answer).map(drop)
        }
    }

    fn revocation_scope(&self) -> RevocationScope {
        RevocationScope::Token
    }
}

fn check_status(answer: Response) -> Result<Response, ProviderError> {
    match status_error(&answer) {
        Some(error) => Err(error),
        None if answer.status().is_success() => Ok(answer),
        None => Err(ProviderError::new(ProviderErrorKind::Malformed)),
    }
}

impl fmt::Debug for ForgeProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForgeProvider").field("address", &self.address).finish_non_exhaustive()
    }
}
