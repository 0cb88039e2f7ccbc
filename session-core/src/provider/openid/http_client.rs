//! The application's HTTP client, with its type erased.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The answer to one request, to be awaited.
pub type HttpAnswer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send + 'a>>;

/// An HTTP client that the application brings.
///
/// It is implemented for all that the openidconnect crate accepts: a `reqwest::Client` (with the
/// crate's feature `reqwest`), and any closure `Fn(HttpRequest) -> Future<Output =
/// Result<HttpResponse, E>>`.
///
/// # Security
///
/// The client must not follow redirects (with reqwest: `redirect(Policy::none())`): requests carry
/// the client's secret and refresh tokens, and a redirect would hand them to another address. It
/// should verify certificates, time out, and bound the size of an answer.
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
    /// Whatever kept the answer away. An answer with an error status is an answer.
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
