//! The provider: the service's protocol in the words of `session-core`.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use session_core::provider::{ProviderError, ProviderErrorKind, RevocationScope};
use session_core::{Provider, TokenResponse, TokenSet};

use super::{APPLICATION_KEY, TICKET};
use crate::http::{trouble, unanswered};

/// This application at the in-house token service.
pub(crate) struct HouseProvider {
    http: reqwest::Client,
    address: String,
    application_key: SecretString,
}

#[derive(Deserialize)]
struct Ticket {
    ticket: String,
    renewal: String,
    good_for_minutes: u64,
    desk: u32,
}

impl HouseProvider {
    pub(crate) fn new(http: reqwest::Client, address: &str, application_key: &str) -> Self {
        let application_key = SecretString::from(application_key);
        Self { http, address: address.to_owned(), application_key }
    }

    /// Signs a person in.
    pub(crate) async fn ticket_for(&self, person: &str) -> Result<TokenResponse, ProviderError> {
        tokens(self.post("/tickets", &json!({ "person": person })).await?).await
    }

    /// Who a ticket says its holder is; `None` if it is not good.
    pub(crate) async fn whoami(&self, tokens: &TokenSet) -> Result<Option<String>, reqwest::Error> {
        let request = self.http.get(format!("{}/whoami", self.address));
        let answer = request.header(TICKET, tokens.access_token()).send().await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        answer.error_for_status()?.text().await.map(Some)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Response, ProviderError> {
        let request = self.http.post(format!("{}{path}", self.address));
        let request = request.header(APPLICATION_KEY, self.application_key.expose_secret());
        let answer = request.json(body).send().await.map_err(unanswered)?;
        match trouble(&answer) {
            Some(trouble) => Err(trouble),
            None => Ok(answer),
        }
    }
}

#[async_trait]
impl Provider for HouseProvider {
    async fn renew(&self, tokens: &TokenSet) -> Result<TokenResponse, ProviderError> {
        let renewal = tokens.refresh_token();
        let renewal = renewal.ok_or(ProviderError::new(ProviderErrorKind::Unsupported))?;
        self::tokens(self.post("/tickets/renew", &json!({ "renewal": renewal })).await?).await
    }

    async fn revoke(&self, refresh_token: &SecretString) -> Result<(), ProviderError> {
        let body = json!({ "renewal": refresh_token.expose_secret() });
        let answer = self.post("/tickets/forget", &body).await?;
        if answer.status().is_success() { Ok(()) } else { Err(failure(answer).await) }
    }

    /// The service forgets one renewal at a time: signing out on the laptop leaves the phone alone.
    fn revocation_scope(&self) -> RevocationScope {
        RevocationScope::Token
    }
}

async fn tokens(answer: Response) -> Result<TokenResponse, ProviderError> {
    if !answer.status().is_success() {
        return Err(failure(answer).await);
    }
    let malformed = |_| ProviderError::new(ProviderErrorKind::Malformed);
    let ticket: Ticket = answer.json().await.map_err(malformed)?;
    Ok(TokenResponse::bearer(ticket.ticket)
        .with_refresh_token(ticket.renewal)
        .with_expires_in(Duration::from_secs(60 * ticket.good_for_minutes))
        .with_field("desk", ticket.desk))
}

/// Only what the service itself says of the renewal ends a session: `410 renewal_spent`.
async fn failure(answer: Response) -> ProviderError {
    #[derive(Deserialize)]
    struct Problem {
        problem: String,
    }
    let status = answer.status();
    let problem = answer.json().await.map(|body: Problem| body.problem);
    ProviderError::new(match (status, problem.as_deref()) {
        (StatusCode::GONE, Ok("renewal_spent")) => ProviderErrorKind::Refused,
        (StatusCode::UNAUTHORIZED, Ok("application_unknown")) => ProviderErrorKind::Misconfigured,
        _ => ProviderErrorKind::Malformed,
    })
}

impl fmt::Debug for HouseProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HouseProvider").field("address", &self.address).finish_non_exhaustive()
    }
}
