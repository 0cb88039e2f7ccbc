//! One request with secrets, of which status and headers are kept.

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
/// The crate hides what decides about a session: the status, `Retry-After` and unknown fields. It
/// also refuses responses that must not be lost with a rotated token, such as one with
/// `"expires_in": "3600"`. So the crate builds the request, and the response is read here.
pub(super) struct Exchange<'p> {
    http: &'p dyn HttpClient,
    endpoint: &'p Uri,
    /// In the place of the crate's.
    grant_type: Option<&'static str>,
    seen: Mutex<Option<Result<Answer, BoxError>>>,
}

impl<'p> Exchange<'p> {
    /// Creates an exchange of secrets: requests go to this endpoint and nowhere else (R3). The crate
    /// does not see the response, since it would leave copies of it in memory.
    pub(super) const fn with(http: &'p dyn HttpClient, endpoint: &'p Uri) -> Self {
        Self { http, endpoint, grant_type: None, seen: Mutex::new(None) }
    }

    /// Sets the grant type, for one that the crate does not know.
    pub(super) const fn of_grant_type(mut self, grant_type: &'static str) -> Self {
        self.grant_type = Some(grant_type);
        self
    }

    /// Returns the last response.
    pub(super) fn into_answer(self) -> Result<Answer, ProviderError> {
        let seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(cause)) => {
                Err(ProviderError::new(ProviderErrorKind::Unavailable).caused_by(cause))
            }
            // The crate could not build a request from the settings.
            None => Err(ProviderError::new(ProviderErrorKind::Misconfigured)),
        }
    }

    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, NotShown> {
        request.uri_mut().clone_from(self.endpoint);
        if let Some(grant_type) = self.grant_type {
            *request.body_mut() = with_grant_type(request.body(), grant_type);
        }
        let secrets = secrets_of(&request);
        let seen = self.http.send(request).await;
        let seen = seen.map(Answer::of).map_err(|cause| without(&secrets, cause));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Err(NotShown)
    }
}

impl<'c> AsyncHttpClient<'c> for Exchange<'_> {
    type Error = NotShown;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NotShown>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Tells the crate that the exchange keeps the response, or the reason why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the exchange keeps the response")]
pub(super) struct NotShown;

fn with_grant_type(form: &[u8], grant_type: &str) -> Vec<u8> {
    let mut changed = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(form) {
        let is_type = name == "grant_type";
        changed.append_pair(&name, if is_type { grant_type } else { &value });
    }
    changed.finish().into_bytes()
}

/// Returns the credentials of a request, encoded and decoded. They must not appear in an error.
fn secrets_of(request: &HttpRequest) -> Vec<Zeroizing<String>> {
    const SECRETS: [&str; 6] =
        ["client_secret", "code", "code_verifier", "refresh_token", "subject_token", "token"];
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

/// Returns the cause, or a replacement if it contains a secret: an HTTP client may quote the request
/// in its error (R8).
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
        f.write_str("the cause is withheld because it quotes the credentials of the request")
    }
}

impl Error for WithheldCause {}
