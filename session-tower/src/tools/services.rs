//! The services `connect` and `callback`.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::connections::ToolConnections;
use crate::answer::{not_allowed, ready_made_service, redirect, status, with_cookies};
use crate::current::CurrentSession;
use crate::missing_layer;
use crate::rejection::Rejection;
use crate::same_site::is_of_this_site;

/// The maximum length of what a browser asks to be kept, in bytes.
const MAX_TEXT: usize = 512;

/// Begins a connection: `POST` by a signed-in user from a page of this site, with the fields `server`,
/// the name of a tool server, and `return_to`, the path to return to.
#[derive(Debug, Clone)]
pub struct ConnectService(ToolConnections);

/// Completes a connection: `GET`, with the authorization server's answer in the query.
#[derive(Debug, Clone)]
pub struct ConnectCallbackService(ToolConnections);

ready_made_service!(ConnectService);
ready_made_service!(ConnectCallbackService);

impl ToolConnections {
    /// Returns the service that begins a connection.
    #[must_use]
    pub fn connect(&self) -> ConnectService {
        ConnectService(self.clone())
    }

    /// Returns the service that completes a connection. It stands at the path of each redirect URI, and
    /// refuses an answer that comes in at another server's: so one authorization server cannot pass on
    /// what another has issued (mix-up, RFC 9700, section 4.4).
    #[must_use]
    pub fn callback(&self) -> ConnectCallbackService {
        ConnectCallbackService(self.clone())
    }
}

impl ConnectService {
    async fn answer(self, head: Parts, form: Option<Bytes>) -> Response<Bytes> {
        if head.method != Method::POST {
            return not_allowed("POST");
        }
        let current = match CurrentSession::among(&head.extensions) {
            Ok(current) => current,
            Err(rejection) => return rejected(rejection, &head),
        };
        if !is_of_this_site(&head.headers) {
            return status(StatusCode::FORBIDDEN);
        }
        let field = |name: &str| {
            let mut fields = form_urlencoded::parse(form.as_deref().unwrap_or_default());
            let (_, value) = fields.find(|(found, _)| found == name)?;
            Some(value.into_owned()).filter(|value| value.len() <= MAX_TEXT)
        };
        let server = field("server").unwrap_or_default();
        match self.0.begin(current, &server, field("return_to"), &head.headers).await {
            Ok(begun) => with_cookies(redirect(&begun.location), begun.cookies),
            Err(failure) => self.0.failed(&failure, &head.headers),
        }
    }
}

impl ConnectCallbackService {
    async fn answer(self, head: Parts, _: Option<Bytes>) -> Response<Bytes> {
        if head.method != Method::GET {
            return not_allowed("GET");
        }
        let current = match CurrentSession::among(&head.extensions) {
            Ok(current) => Some(current),
            Err(missing @ Rejection::MissingLayer) => return rejected(missing, &head),
            Err(_) => None,
        };
        let (completed, removal) = self.0.complete(current, &head.uri, &head.headers).await;
        let response = match completed {
            Ok(return_to) => redirect(&return_to),
            Err(failure) => self.0.failed(&failure, &head.headers),
        };
        with_cookies(response, removal)
    }
}

fn rejected(rejection: Rejection, head: &Parts) -> Response<Bytes> {
    missing_layer::report(&rejection, head.uri.path());
    rejection.response()
}
