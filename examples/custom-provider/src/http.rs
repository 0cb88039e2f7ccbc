//! HTTP: what both services and both clients share.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use base64ct::{Base64UrlUnpadded, Encoding};
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use session_core::provider::{ProviderError, ProviderErrorKind};
use tokio::net::TcpListener;

/// Creates a client that follows no redirects, because they would send tokens to another address.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().redirect(Policy::none()).no_proxy().build()
}

/// Serves on a free port of loopback until the program exits. Returns the address.
pub(crate) async fn serve(router: Router) -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// Creates a token of 256 random bits.
pub(crate) fn random_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Base64UrlUnpadded::encode_string(&bytes))
}

/// Converts a failed request: without an answer the provider counts as unavailable.
pub(crate) fn unanswered(error: reqwest::Error) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Unavailable).caused_by(error.without_url())
}

/// Returns the error of a status that has the same meaning in every protocol: the service is
/// unavailable or throttles. `Retry-After` in seconds is respected.
pub(crate) fn status_error(answer: &Response) -> Option<ProviderError> {
    let kind = match answer.status() {
        StatusCode::TOO_MANY_REQUESTS => ProviderErrorKind::Throttled,
        status if status.is_server_error() => ProviderErrorKind::Unavailable,
        _ => return None,
    };
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = retry_after.and_then(|text| text.parse().ok());
    Some(ProviderError::new(kind).retry_after(seconds.map(Duration::from_secs)))
}
