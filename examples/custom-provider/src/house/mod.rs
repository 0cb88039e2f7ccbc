//! The provider for the in-house token service: maps its protocol to `session-core`.

mod service;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use session_core::provider::{ProviderError, ProviderErrorKind, RevocationScope};
use session_core::{Provider, TokenResponse, TokenSet};

use crate::http::{status_error, unanswered};

pub(crate) use service::House;

/// The header with the application's key.
const APPLICATION_KEY: &str = "x-application-key";

/// The header with a ticket.
const TICKET: &str = "x-ticket";

/// The application's client at the in-house token service.
#[derive(Clone)]
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

    /// Has a ticket issued for a user, as at a sign-in.
    pub(crate) async fn issue_ticket(&self, user: &str) -> Result<TokenResponse, ProviderError> {
        tokens(self.post("/tickets", &json!({ "user": user })).await?).await
    }

    /// Returns the user of a ticket, or `None` if the service rejects it.
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
        match status_error(&answer) {
            Some(error) => Err(error),
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
        if answer.status().is_success() { Ok(()) } else { Err(protocol_error(answer).await) }
    }

    /// The service revokes one renewal code at a time: signing out on one device affects no other.
    fn revocation_scope(&self) -> RevocationScope {
        RevocationScope::Token
    }
}

async fn tokens(answer: Response) -> Result<TokenResponse, ProviderError> {
    if !answer.status().is_success() {
        return Err(protocol_error(answer).await);
    }
    let malformed = |_| ProviderError::new(ProviderErrorKind::Malformed);
    let ticket: Ticket = answer.json().await.map_err(malformed)?;
    Ok(TokenResponse::bearer(ticket.ticket)
        .with_refresh_token(ticket.renewal)
        .with_expires_in(Duration::from_secs(60 * ticket.good_for_minutes))
        .with_field("desk", ticket.desk))
}

/// Converts the protocol's errors. Only `410 renewal_spent` is a refusal, which ends the session.
async fn protocol_error(answer: Response) -> ProviderError {
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
