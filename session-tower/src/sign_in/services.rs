//! The three services: `login`, `callback` and `logout`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, LOCATION, SET_COOKIE};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use session_core::middleware::ErrorChain;
use tower_service::Service;

use super::failure::SignInFailure;
use super::flow::{BeginOptions, OpenIdSignIn};
use crate::cookie_update::CookieUpdate;
use crate::current::{CurrentSession, NoSession};
use crate::redirect::accepts_pages;
use crate::rejection::{ProblemDetails, Rejection};

/// The response future of the sign-in's services.
pub type ServiceFuture =
    Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

/// A request without its body, which these services do not read.
struct Head {
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
}

/// Declares a service that answers one method by a function of [`OpenIdSignIn`].
macro_rules! service {
    ($(#[$doc:meta])+ $name:ident, $method:ident, $answer:ident) => {
        $(#[$doc])+
        #[derive(Debug, Clone)]
        pub struct $name(OpenIdSignIn);

        impl<B> Service<Request<B>> for $name {
            type Response = Response<Full<Bytes>>;
            type Error = Infallible;
            type Future = ServiceFuture;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<B>) -> ServiceFuture {
                let sign_in = self.0.clone();
                let (parts, _) = request.into_parts();
                Box::pin(async move {
                    if parts.method != Method::$method {
                        return Ok(not_allowed(&Method::$method).map(Full::from));
                    }
                    let (uri, headers, extensions) = (parts.uri, parts.headers, parts.extensions);
                    let response = sign_in.$answer(Head { uri, headers, extensions }).await;
                    Ok(response.map(Full::from))
                })
            }
        }
    };
}

service! {
    /// Begins a sign-in: `GET`, with the query parameters `provider`, `return_to` and `login_hint`. With
    /// `max_age` or `acr_values` it begins a step-up of the request's session, if it has one.
    LoginService, GET, answer_login
}

service! {
    /// Completes a sign-in: `GET`, with the provider's answer in the query.
    CallbackService, GET, answer_callback
}

service! {
    /// Signs out: `POST`, which a browser sends with the session's cookie only from this site.
    LogoutService, POST, answer_logout
}

impl OpenIdSignIn {
    /// Returns the service that begins a sign-in.
    #[must_use]
    pub fn login(&self) -> LoginService {
        LoginService(self.clone())
    }

    /// Returns the service that completes a sign-in.
    #[must_use]
    pub fn callback(&self) -> CallbackService {
        CallbackService(self.clone())
    }

    /// Returns the service that signs out.
    #[must_use]
    pub fn logout(&self) -> LogoutService {
        LogoutService(self.clone())
    }

    async fn answer_login(self, head: Head) -> Response<Bytes> {
        let options = BeginOptions::from_query(head.uri.query().unwrap_or_default());
        let current = head.extensions.get::<CurrentSession>();
        let begun = match current.filter(|current| options.is_step_up_of(current)) {
            Some(current) => self.begin_step_up(current, options, &head.headers).await,
            None => self.begin(options, &head.headers).await,
        };
        match begun {
            Ok(begun) => with_cookies(redirect(&begun.location), begun.cookies),
            Err(failure) => self.failed(&failure, &head.headers),
        }
    }

    async fn answer_callback(self, head: Head) -> Response<Bytes> {
        let Head { uri, headers, extensions } = &head;
        if !is_inside_of_layer(extensions) {
            return missing_layer();
        }
        let query = uri.query().unwrap_or_default();
        let (completed, removal) = self.complete(query, headers, extensions).await;
        let response = match completed {
            Ok(completed) => {
                let mut response = redirect(&completed.return_to);
                response.extensions_mut().insert(CookieUpdate::stepped_up(&completed.outcome));
                response
            }
            Err(failure) => self.failed(&failure, headers),
        };
        with_cookies(response, removal)
    }

    async fn answer_logout(self, head: Head) -> Response<Bytes> {
        if !is_inside_of_layer(&head.extensions) {
            return missing_layer();
        }
        let current = head.extensions.get::<CurrentSession>();
        let mut response = match self.sign_out(current, &head.headers).await {
            Ok(location) if accepts_pages(&head.headers) => redirect(&location),
            Ok(_) => status(StatusCode::NO_CONTENT),
            Err(rejection) => return ProblemDetails::of(&rejection),
        };
        response.extensions_mut().insert(CookieUpdate::signed_out());
        response
    }

    fn failed(&self, failure: &SignInFailure, headers: &HeaderMap) -> Response<Bytes> {
        match failure.status().is_server_error() {
            true => tracing::warn!(error = %ErrorChain(failure), "a sign-in failed"),
            false => tracing::info!(error = %ErrorChain(failure), "a sign-in failed"),
        }
        match &self.flow.failure_response {
            Some(configured) => configured.0(failure, headers),
            None => failure.response(headers),
        }
    }
}

/// The layer notes each request that it has looked at.
fn is_inside_of_layer(extensions: &Extensions) -> bool {
    extensions.get::<CurrentSession>().is_some() || extensions.get::<NoSession>().is_some()
}

/// Without the layer the session's cookie would not reach the browser.
fn missing_layer() -> Response<Bytes> {
    tracing::error!(
        "a sign-in is served on a route without the session layer: add \
         `.layer(SessionLayer::new(manager))` to the router, after the route"
    );
    ProblemDetails::of(&Rejection::MissingLayer)
}

fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn redirect(location: &str) -> Response<Bytes> {
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

fn with_cookies(
    mut response: Response<Bytes>,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response<Bytes> {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

pub(super) fn not_allowed(method: &Method) -> Response<Bytes> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    if let Ok(allowed) = HeaderValue::try_from(method.as_str()) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}
