//! The HTTP client of the application, as a trait object.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The future of a response.
pub type HttpAnswer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send + 'a>>;

/// An HTTP client, which the application brings; the feature `reqwest` has a `DefaultHttpClient`.
///
/// Implemented for everything that the openidconnect crate accepts: the `reqwest::Client` of reqwest
/// 0.12 (with that crate's feature `reqwest`; reqwest 0.13 does not fit openidconnect 4), and any
/// closure `Fn(HttpRequest) -> Future<Output =
/// Result<HttpResponse, E>>`.
///
/// # Security
///
/// The client must not follow redirects (with reqwest: `redirect(Policy::none())`): requests contain
/// the client's secret and refresh tokens, which a redirect would send to another address. It should
/// verify certificates, time out, and limit the size of a response.
///
/// ```
/// use openidconnect::{HttpRequest, HttpResponse};
/// use session_core::provider::openid::HttpClient;
///
/// fn accepts(_: impl HttpClient) {}
///
/// accepts(|request: HttpRequest| async move {
///     Ok::<_, std::io::Error>(HttpResponse::new(request.into_body()))
/// });
/// ```
pub trait HttpClient: Send + Sync + 'static {
    /// Sends one request.
    ///
    /// # Errors
    ///
    /// Returns the error of the client if there is no response. A response with an error status is
    /// not an error here.
    fn send(&self, request: HttpRequest) -> HttpAnswer<'_>;
}

impl<C> HttpClient for C
where
    C: for<'c> AsyncHttpClient<'c> + Send + Sync + 'static,
    for<'c> <C as AsyncHttpClient<'c>>::Future: Send,
    for<'c> <C as AsyncHttpClient<'c>>::Error: Send + Sync,
{
    fn send(&self, request: HttpRequest) -> HttpAnswer<'_> {
        let answer = self.call(request);
        Box::pin(async move { answer.await.map_err(|error| Box::new(error) as _) })
    }
}
