//! One request to the provider, watched: status and headers of the answer are kept.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use http::Uri;
use http::header::AUTHORIZATION;
use openidconnect::url::form_urlencoded;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use zeroize::Zeroizing;

use super::answer::Answer;
use super::http_client::{BoxError, HttpClient};
use crate::provider::{ProviderError, ProviderErrorKind};

/// The HTTP client for one call of the openidconnect crate.
///
/// The crate hides from its callers what decides over a session: the status, `Retry-After`, and
/// the fields that it does not know; and it refuses answers whose loss would lose a rotated token,
/// such as one with `"expires_in": "3600"`. So it builds the request, and the answer is read here.
pub(super) struct Exchange<'p> {
    http: &'p dyn HttpClient,
    address: Option<&'p Uri>,
    seen: Mutex<Option<Result<Answer, BoxError>>>,
}

impl<'p> Exchange<'p> {
    /// An exchange of public documents: the crate addresses the request and reads the answer.
    pub(super) const fn public(http: &'p dyn HttpClient) -> Self {
        Self { http, address: None, seen: Mutex::new(None) }
    }

    /// An exchange of secrets: requests go to this endpoint and nowhere else (R3), and the answer
    /// is not shown to the crate, which would leave copies of it in memory.
    pub(super) const fn with(http: &'p dyn HttpClient, endpoint: &'p Uri) -> Self {
        Self { http, address: Some(endpoint), seen: Mutex::new(None) }
    }

    /// The last answer.
    pub(super) fn into_answer(self) -> Result<Answer, ProviderError> {
        let seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(cause)) => {
                Err(ProviderError::new(ProviderErrorKind::Unavailable).caused_by(cause))
            }
            // No request could be built from what is configured.
            None => Err(ProviderError::new(ProviderErrorKind::Misconfigured)),
        }
    }

    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, NotShown> {
        if let Some(address) = self.address {
            request.uri_mut().clone_from(address);
        }
        let secrets = secrets_of(&request);
        let (seen, shown) = match self.http.send(request).await {
            Ok(response) if self.address.is_none() => {
                (Ok(Answer::without_body(&response)), Ok(response))
            }
            Ok(response) => (Ok(Answer::of(response)), Err(NotShown)),
            Err(cause) => (Err(without(&secrets, cause)), Err(NotShown)),
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        shown
    }
}

impl<'c> AsyncHttpClient<'c> for Exchange<'_> {
    type Error = NotShown;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NotShown>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// The answer, or why there is none, is kept by the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is kept by the exchange")]
pub(super) struct NotShown;

/// What of a request must appear in no error: its credentials, as they are written in it and
/// decoded.
fn secrets_of(request: &HttpRequest) -> Vec<Zeroizing<String>> {
    const SECRETS: [&str; 5] = ["client_secret", "code", "code_verifier", "refresh_token", "token"];
    let mut secrets = Vec::new();
    for (name, value) in form_urlencoded::parse(request.body()) {
        if SECRETS.contains(&&*name) {
            let encoded = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            secrets.push(Zeroizing::new(encoded));
            secrets.push(Zeroizing::new(value.into_owned()));
        }
    }
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credentials = authorization.and_then(|value| value.split_once(' '));
    secrets.extend(credentials.map(|(_, text)| Zeroizing::new(text.to_owned())));
    secrets
}

/// The cause, or that it is withheld: an HTTP client may put a request into its error's text (R8).
fn without(secrets: &[Zeroizing<String>], cause: BoxError) -> BoxError {
    let mut text = Zeroizing::new(String::new());
    let mut next: Option<&(dyn Error + 'static)> = Some(&*cause);
    while let Some(error) = next {
        // Writing to a string does not fail.
        let _ = write!(text, "{error} {error:?} {error:#?}");
        next = error.source();
    }
    let leaks = secrets.iter().any(|secret| !secret.is_empty() && text.contains(secret.as_str()));
    if leaks { Box::new(WithheldCause) } else { cause }
}

#[derive(Debug)]
struct WithheldCause;

impl fmt::Display for WithheldCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cause is withheld: it quotes the request's credentials")
    }
}

impl Error for WithheldCause {}
