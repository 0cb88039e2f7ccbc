//! The callback: completes a sign-in, by `GET` or, for providers that answer with a form, by `POST`.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use tower_service::Service;

use super::flow::OpenIdSignIn;
use super::services::{Head, ServiceFuture, not_allowed, redirect};

/// The maximum size of a form, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// What a provider answers with (RFC 6749, section 4.1.2; RFC 9207).
const PARAMETERS: [&str; 4] = ["code", "state", "iss", "error"];

/// Completes a sign-in: `GET`, with the provider's answer in the query; or `POST`, with the answer in
/// a form, of a provider with [`form_post`](super::SignInBuilder::form_post).
///
/// A browser sends no `SameSite=Lax` cookie with a form of another site. So the form is answered with
/// a redirect to the same address with its fields in the query, to which the browser comes with the
/// cookies of the pending sign-in and of the session that it supersedes. A protection against
/// cross-site requests must let the form pass.
#[derive(Debug, Clone)]
pub struct CallbackService(OpenIdSignIn);

impl OpenIdSignIn {
    /// Returns the service that completes a sign-in.
    #[must_use]
    pub fn callback(&self) -> CallbackService {
        CallbackService(self.clone())
    }

    /// Sends the browser on to the address to which its cookies come with it.
    fn answer_form(&self, form: &[u8]) -> Response<Bytes> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(form) {
            if PARAMETERS.contains(&&*name) {
                query.append_pair(&name, &value);
            }
        }
        redirect(&format!("{}?{}", self.flow.callback_path, query.finish()))
    }
}

impl<B> Service<Request<B>> for CallbackService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = ServiceFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ServiceFuture {
        let sign_in = self.0.clone();
        let (head, body) = request.into_parts();
        Box::pin(async move {
            let response = match head.method {
                Method::GET => sign_in.answer_callback(Head::of(head)).await,
                Method::POST if sign_in.flow.has_form_post() => {
                    let form = Limited::new(body, MAX_BODY).collect().await;
                    // A form that is too long or cut off names no sign-in.
                    let form = form.map(Collected::to_bytes).unwrap_or_default();
                    sign_in.answer_form(&form)
                }
                _ => not_allowed(&Method::GET),
            };
            Ok(response.map(Full::from))
        })
    }
}
