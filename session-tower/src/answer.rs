//! What the ready-made routes share: how a request is read, and how it is answered.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, LOCATION};
#[cfg(feature = "sign-in")]
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Full, Limited};

/// The maximum size of a form, in bytes.
const MAX_FORM: usize = 64 * 1024;

/// The response future of the ready-made services.
pub type ServiceFuture =
    Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

/// Implements the service of a ready-made route, by its `answer` to the head of a request and the form
/// that was posted.
macro_rules! ready_made_service {
    ($name:ident) => {
        impl<B> tower_service::Service<http::Request<B>> for $name
        where
            B: http_body::Body + Send + 'static,
            B::Data: Send,
            B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        {
            type Response = http::Response<http_body_util::Full<bytes::Bytes>>;
            type Error = std::convert::Infallible;
            type Future = crate::answer::ServiceFuture;

            fn poll_ready(
                &mut self,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Result<(), std::convert::Infallible>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<B>) -> crate::answer::ServiceFuture {
                let service = self.clone();
                Box::pin(async move {
                    let (head, form) = crate::answer::read(request).await;
                    Ok(service.answer(head, form).await.map(http_body_util::Full::from))
                })
            }
        }
    };
}
pub(crate) use ready_made_service;

/// Reads a request: its head, and the form that it posts; `None` if there is none, or it is too long
/// or cut off.
pub(crate) async fn read<B>(request: Request<B>) -> (Parts, Option<Bytes>)
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        return (head, None);
    }
    let form = Limited::new(body, MAX_FORM).collect().await;
    (head, form.ok().map(Collected::to_bytes))
}

/// Answers with a status alone, which nothing may keep.
pub(crate) fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers what may succeed in a moment.
#[cfg(feature = "sign-in")]
pub(crate) fn unavailable() -> Response<Bytes> {
    let mut response = status(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Answers a method that is none of these.
pub(crate) fn not_allowed(allowed: &'static str) -> Response<Bytes> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Sends the browser on, by `GET`.
pub(crate) fn redirect(location: &str) -> Response<Bytes> {
    let Ok(mut location) = HeaderValue::try_from(location) else {
        // A provider's address and a local path have visible ASCII characters only.
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    };
    // The address at the provider contains the state and the nonce, or the ID token.
    location.set_sensitive(true);
    let mut response = status(StatusCode::SEE_OTHER);
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Adds values of `Set-Cookie`.
#[cfg(feature = "sign-in")]
pub(crate) fn with_cookies(
    mut response: Response<Bytes>,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response<Bytes> {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
