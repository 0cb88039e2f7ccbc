//! The HTTP client for applications that bring none, on reqwest (feature `reqwest`).

use std::pin::Pin;
use std::time::Duration;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::redirect::Policy;

use super::setting::is_loopback_host;

/// How long one call may take, with its connection and its whole response.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum length of a response, in bytes.
const DEFAULT_MAX_BYTES: usize = 1024 * 1024;

/// An HTTP client that fits a provider: https by rustls, no redirects, a limit of time (30 s) and of
/// the response's size (1 MiB). Cheap to clone; clones share their connections.
///
/// An application that brings a client of its own takes reqwest 0.12, which openidconnect 4 knows
/// (its feature `reqwest`), or wraps any other one in a closure: see
/// [`HttpClient`](super::HttpClient).
///
/// ```
/// use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let http = DefaultHttpClient::new()?.with_max_bytes(64 * 1024);
/// let provider = OpenIdProvider::builder("https://id.example", "my-client", http).build()?;
/// assert_eq!(provider.issuer(), "https://id.example");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DefaultHttpClient {
    /// For other machines, by the proxy that the environment names.
    remote: reqwest::Client,
    /// For this machine, which no proxy can reach.
    local: reqwest::Client,
    timeout: Duration,
    max_bytes: usize,
}

/// A call got no response, or one that is too long.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The request could not be sent, or its response not be received. The address is not part of
    /// the error.
    #[error("the request got no response")]
    Failed(#[source] reqwest::Error),
    /// The response is longer than the client's limit.
    #[error("the response is longer than {max_bytes} bytes")]
    TooLong {
        /// The limit.
        max_bytes: usize,
    },
}

impl DefaultHttpClient {
    /// Creates a client.
    ///
    /// # Errors
    ///
    /// Returns [`HttpError`] if TLS cannot be set up.
    pub fn new() -> Result<Self, HttpError> {
        let builder = || {
            let builder = reqwest::Client::builder().redirect(Policy::none());
            builder.connect_timeout(CONNECT_TIMEOUT)
        };
        Ok(Self {
            remote: builder().build()?,
            local: builder().no_proxy().build()?,
            timeout: DEFAULT_TIMEOUT,
            max_bytes: DEFAULT_MAX_BYTES,
        })
    }

    /// Sets how long one call may take (default: 30 s).
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the maximum length of a response, in bytes (default: 1 MiB).
    #[must_use]
    pub const fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    async fn send_bounded(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_local = request.uri().host().is_some_and(is_loopback_host);
        let client = if is_local { &self.local } else { &self.remote };
        let mut request = reqwest::Request::try_from(request)?;
        *request.timeout_mut() = Some(self.timeout);
        let mut received = client.execute(request).await?;
        let mut response = HttpResponse::new(Vec::new());
        *response.status_mut() = received.status();
        *response.headers_mut() = received.headers().clone();
        while let Some(chunk) = received.chunk().await? {
            if response.body().len() + chunk.len() > self.max_bytes {
                return Err(HttpError::TooLong { max_bytes: self.max_bytes });
            }
            response.body_mut().extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for DefaultHttpClient {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send_bounded(request))
    }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        Self::Failed(error.without_url())
    }
}
