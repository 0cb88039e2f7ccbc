//! The service: shows the page, and ends what its buttons name.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_FRAME_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Uri};
use session_core::manager::ManagerErrorKind;
use session_core::{SessionId, SessionManager};

use super::html::View;
use super::text::DevicesText;
use crate::answer::{not_allowed, ready_made_service, redirect, status};
use crate::cookie_update::CookieUpdate;
use crate::current::CurrentSession;
use crate::html::escaped;
use crate::missing_layer;
use crate::rejection::Rejection;
use crate::same_site::is_of_this_site;

/// A page that lists the user's devices and signs them out: `GET` shows it, and its forms `POST` to
/// the same address. It also lists the user's connected tools, which all devices use: each is
/// disconnected on its own, and stays when devices are signed out (F23).
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
    document: Option<Document>,
}

/// The document of an application, around what the page shows.
#[derive(Clone)]
struct Document(Arc<Write>);

/// Writes a document around a title and HTML.
type Write = dyn Fn(&str, &str) -> String + Send + Sync;

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document")
    }
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
        Self { manager, text: Arc::default(), logout_path: Arc::from("/logout"), document: None }
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

    /// Sets the document around the list, from its title and its HTML, which are escaped already: for
    /// an application with a style, a menu and a `Content-Security-Policy` of its own. Devices are
    /// `ul.devices > li`, this one with `aria-current`; tools are `ul.tools > li`; both are within
    /// `div#user-sessions`. The list stays current where the document has [`LIVE_SCRIPT`](super::LIVE_SCRIPT).
    ///
    /// ```
    /// use session_core::SessionManager;
    /// use session_tower::devices::DevicesPage;
    ///
    /// # fn page(manager: SessionManager) -> DevicesPage {
    /// DevicesPage::new(manager).with_document(|title, html| {
    ///     format!(
    ///         "<!doctype html><title>{title}</title><link rel=stylesheet href=/style.css>\
    ///          <nav>…</nav><main><h1>{title}</h1>{html}</main>"
    ///     )
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn with_document(
        mut self,
        document: impl Fn(&str, &str) -> String + Send + Sync + 'static,
    ) -> Self {
        self.document = Some(Document(Arc::new(document)));
        self
    }

    async fn show(&self, current: &CurrentSession) -> Result<Response<Bytes>, Rejection> {
        let sessions = self.manager.list(current.user(), Some(current.id())).await?;
        let (text, user, now) = (&*self.text, current.user(), self.manager.now());
        let view = View { text, user, sessions: &sessions, logout_path: &self.logout_path, now };
        let Some(document) = &self.document else { return Ok(view.page()) };
        let html = (document.0)(&escaped(&text.title), &view.content());
        let mut response = status(StatusCode::OK).map(|_| Bytes::from(html));
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, html);
        // Beside whatever policy the application sets: no frame leads a click to a button.
        response.headers_mut().insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        Ok(response)
    }

    async fn end(
        &self,
        current: &CurrentSession,
        target: Target,
        page: &Uri,
    ) -> Result<Response<Bytes>, Rejection> {
        let mut response = redirect(page.path());
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
            let current = CurrentSession::among(&head.extensions)?;
            match (&head.method, form.as_deref().and_then(target)) {
                (&Method::GET | &Method::HEAD, _) => self.show(current).await,
                (&Method::POST, _) if !is_of_this_site(&head.headers) => {
                    Ok(status(StatusCode::FORBIDDEN))
                }
                (&Method::POST, Some(target)) => self.end(current, target, &head.uri).await,
                (&Method::POST, None) => Ok(status(StatusCode::BAD_REQUEST)),
                _ => Ok(not_allowed("GET, HEAD, POST")),
            }
        };
        answer.await.unwrap_or_else(|rejection: Rejection| {
            missing_layer::report(&rejection, head.uri.path());
            rejection.response()
        })
    }
}

ready_made_service!(DevicesPage);

/// Returns whether the session that a user names is over already, or not the user's.
pub(crate) const fn is_gone(kind: ManagerErrorKind) -> bool {
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
