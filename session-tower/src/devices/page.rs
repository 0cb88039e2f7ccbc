//! The service: shows the page, and ends what its buttons name.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, ORIGIN,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use session_core::manager::ManagerErrorKind;
use session_core::{SessionId, SessionManager};
use tower_service::Service;

use super::html::View;
use super::text::DevicesText;
use crate::cookie_update::CookieUpdate;
use crate::current::CurrentSession;
use crate::missing_layer;
use crate::rejection::Rejection;

/// The maximum size of a form, in bytes.
const MAX_BODY: usize = 4096;

/// The page loads nothing. A form's redirect may lead to a provider, so `form-action` is not set.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// The response future of a [`DevicesPage`].
pub type DevicesFuture =
    Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

/// A page that lists the user's devices and signs them out: `GET` shows it, and its forms `POST` to
/// the same address.
///
/// Stands inside of the session layer, which answers a request without a session.
///
/// # Security
///
/// A form that another site sends is refused by `Sec-Fetch-Site` or `Origin`, beside the cookie's
/// `SameSite`. The id of another user's session is answered like that of one that has ended.
///
/// A device that was signed out here may still be signed in at the provider, which then lets it in
/// again without asking. Where that is not wanted, ask the provider to ask each time:
/// `SignInBuilder::param("prompt", "login")`.
#[derive(Debug, Clone)]
pub struct DevicesPage {
    manager: SessionManager,
    text: Arc<DevicesText>,
    logout_path: Arc<str>,
}

/// What a button ends.
enum Target {
    One(SessionId),
    Others,
}

impl DevicesPage {
    /// Creates the page of this manager's sessions.
    #[must_use]
    pub fn new(manager: SessionManager) -> Self {
        Self { manager, text: Arc::default(), logout_path: Arc::from("/logout") }
    }

    /// Sets what the page says (default: English).
    #[must_use]
    pub fn with_text(mut self, text: DevicesText) -> Self {
        self.text = Arc::new(text);
        self
    }

    /// Sets the path that signs this device out by `POST` (default: `/logout`).
    #[must_use]
    pub fn with_logout_path(mut self, path: impl Into<Arc<str>>) -> Self {
        self.logout_path = path.into();
        self
    }

    async fn show(&self, current: &CurrentSession) -> Result<Response<Bytes>, Rejection> {
        let sessions = self.manager.list(current.user(), Some(current.id())).await?;
        let (text, user, now) = (&*self.text, current.user(), self.manager.now());
        let view = View { text, user, sessions: &sessions, logout_path: &self.logout_path, now };
        let mut response = Response::new(Bytes::from(view.page()));
        let headers = response.headers_mut();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(CONTENT_TYPE, html);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        Ok(response)
    }

    async fn end(
        &self,
        current: &CurrentSession,
        target: Target,
        page: &Uri,
    ) -> Result<Response<Bytes>, Rejection> {
        let mut response = see_other(page.path());
        match target {
            Target::Others => drop(self.manager.end_others(current.user(), current.id()).await?),
            Target::One(id) => match self.manager.end_one(current.user(), id).await {
                // It has ended meanwhile, or is not the user's: the list says so either way.
                Err(error) if is_gone(error.kind()) => {}
                ended => ended?,
            },
        }
        if matches!(target, Target::One(id) if id == current.id()) {
            response.extensions_mut().insert(CookieUpdate::signed_out());
        }
        Ok(response)
    }

    async fn answer(self, head: Parts, form: Option<Bytes>) -> Response<Bytes> {
        let answer = async {
            let current = CurrentSession::among(&head.extensions)?.clone();
            match (&head.method, form.as_deref().and_then(target)) {
                (&Method::GET | &Method::HEAD, _) => self.show(&current).await,
                (&Method::POST, _) if !is_of_this_site(&head.headers) => {
                    Ok(status(StatusCode::FORBIDDEN))
                }
                (&Method::POST, Some(target)) => self.end(&current, target, &head.uri).await,
                (&Method::POST, None) => Ok(status(StatusCode::BAD_REQUEST)),
                _ => Ok(not_allowed()),
            }
        };
        answer.await.unwrap_or_else(|rejection: Rejection| {
            missing_layer::report(&rejection, head.uri.path());
            rejection.response()
        })
    }
}

impl<B> Service<Request<B>> for DevicesPage
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = DevicesFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> DevicesFuture {
        let page = self.clone();
        let (head, body) = request.into_parts();
        Box::pin(async move {
            let body = Limited::new(body, MAX_BODY).collect().await;
            let form = body.ok().map(Collected::to_bytes);
            Ok(page.answer(head, form).await.map(Full::from))
        })
    }
}

const fn is_gone(kind: ManagerErrorKind) -> bool {
    matches!(kind, ManagerErrorKind::NotFound | ManagerErrorKind::Ended(_))
}

/// Returns what the form's field `end` names.
fn target(form: &[u8]) -> Option<Target> {
    let (_, value) = form_urlencoded::parse(form).find(|(name, _)| name == "end")?;
    match &*value {
        "others" => Some(Target::Others),
        id => id.parse().ok().map(Target::One),
    }
}

/// Returns whether a form was sent by a page of this site, as far as the browser says (L4).
fn is_of_this_site(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let origin = origin.and_then(|origin| origin.into_parts().authority);
    origin.is_some_and(|origin: Authority| text(HOST) == Some(origin.as_str()))
}

fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn see_other(path: &str) -> Response<Bytes> {
    let mut response = status(StatusCode::SEE_OTHER);
    if let Ok(path) = HeaderValue::try_from(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}

fn not_allowed() -> Response<Bytes> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    response
}
