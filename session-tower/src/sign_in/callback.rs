//! The callback: completes a sign-in, by `GET` or, for providers that answer with a form, by `POST`.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};

use super::choose_device::is_choice;
use super::flow::OpenIdSignIn;
use crate::answer::{not_allowed, ready_made_service, redirect};

/// What a provider answers with (RFC 6749, section 4.1.2; RFC 9207).
const PARAMETERS: [&str; 4] = ["code", "state", "iss", "error"];

/// Completes a sign-in: `GET`, with the provider's answer in the query; or `POST`, with the answer in
/// a form, of a provider with [`form_post`](super::SignInBuilder::form_post).
///
/// A browser sends no `SameSite=Lax` cookie with a form of another site. So the form is answered with
/// a redirect to the same address with its fields in the query, to which the browser comes with the
/// cookies of the pending sign-in and of the session that it supersedes. A protection against
/// cross-site requests must let the form pass.
///
/// A user at a full cap [posts the device](OpenIdSignIn::choose_device) to sign out to it as well.
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

ready_made_service!(CallbackService);

impl CallbackService {
    async fn answer(self, head: Parts, form: Option<Bytes>) -> Response<Bytes> {
        match head.method {
            Method::GET => self.0.answer_callback(head).await,
            Method::POST if form.as_deref().is_some_and(is_choice) => {
                self.0.answer_choice(&form.unwrap_or_default(), &head).await
            }
            // A form that is too long or cut off names no sign-in.
            Method::POST if self.0.flow.has_form_post() => {
                self.0.answer_form(&form.unwrap_or_default())
            }
            _ => not_allowed("GET"),
        }
    }
}
