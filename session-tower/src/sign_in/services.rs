//! The services `login` and `logout`, and what is answered at the callback.

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Response, StatusCode, Uri};
use session_core::middleware::SessionManagerExt as _;
use session_core::{EndReason, UserId};

use super::failure::{SignInFailure, SignInFailureKind};
use super::flow::{BeginOptions, OpenIdSignIn};
use crate::answer::{not_allowed, ready_made_service, redirect, status, with_cookies};
use crate::cookie::SessionCookie;
use crate::cookie_update::CookieUpdate;
use crate::current::{CurrentSession, InsecureCookie, NoSession, PresentedCookie};
use crate::html::{self, escaped};
use crate::layer::SessionLayer;
use crate::missing_layer;
use crate::redirect::accepts_pages;
use crate::rejection::{ProblemDetails, Rejection};

/// Begins a sign-in: `GET`, with the query parameters `provider`, `return_to` and `login_hint`. With
/// `max_age`, `acr_values` or `scope` it begins a step-up of the request's session, if it has one.
///
/// With a `reason`, by which [`RedirectToLogin`](crate::RedirectToLogin) says why a session has ended, a
/// browser that another device, an administrator, the provider or the cap has signed out gets a page that tells its user: the
/// provider may sign in without a word.
#[derive(Debug, Clone)]
pub struct LoginService(OpenIdSignIn);

/// Signs out: `POST`, which a browser sends with the session's cookie only from this site.
#[derive(Debug, Clone)]
pub struct LogoutService(OpenIdSignIn);

ready_made_service!(LoginService);
ready_made_service!(LogoutService);

impl LoginService {
    async fn answer(self, head: Parts, _: Option<Bytes>) -> Response<Bytes> {
        match head.method {
            Method::GET => self.0.answer_login(head).await,
            _ => not_allowed("GET"),
        }
    }
}

impl LogoutService {
    async fn answer(self, head: Parts, _: Option<Bytes>) -> Response<Bytes> {
        match head.method {
            Method::POST => self.0.answer_logout(head).await,
            _ => not_allowed("POST"),
        }
    }
}

impl OpenIdSignIn {
    /// Returns the layer for these services and the routes that need sessions. Its cookie fits the
    /// public address: `__Host-session`, or `session` on plain http in development. It sends a browser
    /// that asks for a page without a session to the [login](super::SignInBuilder::login_path), and
    /// binds sessions to the [known user](super::SignInBuilder::known_user). All layers that it returns
    /// share one cache.
    #[must_use]
    pub fn session_layer(&self) -> SessionLayer {
        let layer = self.flow.layer.get_or_init(|| {
            SessionLayer::new(self.flow.manager.clone())
                .with_binding(self.flow.binding.clone())
                .with_rejection_response(self.flow.to_login.clone())
                .with_cookie(self.session_cookie())
        });
        layer.clone()
    }

    /// Returns the cookie of the [`session_layer`](Self::session_layer), which requests to other
    /// services must leave out.
    #[must_use]
    pub fn session_cookie(&self) -> SessionCookie {
        match self.flow.public_url.is_secure() {
            true => SessionCookie::default(),
            false => SessionCookie::insecure(),
        }
    }

    /// Returns the service that begins a sign-in.
    #[must_use]
    pub fn login(&self) -> LoginService {
        LoginService(self.clone())
    }

    /// Returns the service that signs out.
    #[must_use]
    pub fn logout(&self) -> LogoutService {
        LogoutService(self.clone())
    }

    async fn answer_login(self, head: Parts) -> Response<Bytes> {
        if let Err(failure) = self.check_site(&head) {
            return self.failed(&failure, &head.headers);
        }
        let query = head.uri.query().unwrap_or_default();
        let options = BeginOptions::from_query(query);
        let current = head.extensions.get::<CurrentSession>();
        // A browser that is signed in has not been signed out, whatever a link says.
        let shows_pages = current.is_none() && accepts_pages(&head.headers);
        if let Some(page) = self.tell_reason(query).filter(|_| shows_pages) {
            return page;
        }
        let begun = match current.filter(|current| options.is_step_up_of(current)) {
            Some(current) => self.begin_step_up(current, options, &head.headers).await,
            None => self.begin(options, &head.headers, &head.extensions).await,
        };
        match begun {
            Ok(begun) => with_cookies(redirect(&begun.location), begun.cookies),
            Err(failure) => self.failed(&failure, &head.headers),
        }
    }

    /// Tells why the browser's session has ended, with a link to the sign-in that it was on its way to.
    fn tell_reason(&self, query: &str) -> Option<Response<Bytes>> {
        let mut rest = form_urlencoded::Serializer::new(String::new());
        let mut reason = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "reason" => reason = EndReason::parse(&value),
                _ => drop(rest.append_pair(&name, &value)),
            }
        }
        let text = &self.flow.text;
        let ended = escaped(&(text.ended)(reason.filter(|reason| is_told(*reason))?));
        let path = self.flow.to_login.path();
        let path = path.split('?').next().unwrap_or(path);
        let again = escaped(&format!("{path}?{}", rest.finish()));
        let says = escaped(&text.sign_in_again);
        let html = format!("<p role=\"status\">{ended}</p><p><a href=\"{again}\">{says}</a></p>");
        let language = &text.devices.language;
        Some(html::page(StatusCode::OK, language, &text.signed_out, &html))
    }

    pub(super) async fn answer_callback(self, head: Parts) -> Response<Bytes> {
        let Parts { uri, headers, extensions, .. } = &head;
        if !is_inside_of_layer(extensions) {
            return missing_layer(uri);
        }
        let query = uri.query().unwrap_or_default();
        let (completed, removal) = self.complete(query, headers, extensions).await;
        let response = match completed {
            Ok(completed) => {
                let mut response = redirect(&completed.return_to);
                response.extensions_mut().insert(CookieUpdate::stepped_up(&completed.outcome));
                response
            }
            Err(failure) => self.failed_or_choice(&failure, headers).await,
        };
        with_cookies(response, removal)
    }

    async fn answer_logout(self, head: Parts) -> Response<Bytes> {
        if !is_inside_of_layer(&head.extensions) {
            return missing_layer(&head.uri);
        }
        let current = head.extensions.get::<CurrentSession>();
        if current.is_none() {
            let known = match self.flow.known_user(&head.headers, &head.extensions) {
                Ok(known) => known,
                Err(failure) => return self.failed(&failure, &head.headers),
            };
            if let Err(rejection) = self.sign_out_presented(&head.extensions, known).await {
                return ProblemDetails::of(&rejection);
            }
        }
        let mut response = match self.sign_out(current, &head.headers).await {
            Ok(location) if accepts_pages(&head.headers) => redirect(&location),
            Ok(_) => status(StatusCode::NO_CONTENT),
            Err(rejection) => return ProblemDetails::of(&rejection),
        };
        // Another user's cookie is kept, as the layer keeps it.
        if current.is_some() || !self.flow.binding.is_set() {
            response.extensions_mut().insert(CookieUpdate::signed_out());
        }
        response
    }

    /// Signs out what the browser's cookies lead to although it is no session here: one whose tokens
    /// cannot be read, or several at once. Where sessions are bound to users, only those of this one.
    async fn sign_out_presented(
        &self,
        extensions: &Extensions,
        known: Option<UserId>,
    ) -> Result<(), Rejection> {
        let presented = PresentedCookie::of(extensions);
        for digest in presented.iter().flat_map(PresentedCookie::digests) {
            self.flow.manager.sign_out_presented(&digest, known.as_ref()).await?;
        }
        Ok(())
    }

    async fn failed_or_choice(
        &self,
        failure: &SignInFailure,
        headers: &HeaderMap,
    ) -> Response<Bytes> {
        match accepts_pages(headers) {
            true => self.choose_device(failure, headers).await,
            false => None,
        }
        .unwrap_or_else(|| self.failed(failure, headers))
    }

    /// Refuses to begin what a browser could not complete: it would drop the cookies.
    fn check_site(&self, head: &Parts) -> Result<(), SignInFailure> {
        let (public_url, extensions) = (&self.flow.public_url, &head.extensions);
        let is_dropped = !public_url.is_secure()
            && extensions.get::<NoSession>().is_some()
            && extensions.get::<InsecureCookie>().is_none();
        let problem = match is_dropped {
            _ if !public_url.is_asked_on_loopback(&head.headers) => {
                "the site is in development, and is asked by another name than localhost: open it \
                 under its public address"
            }
            true => {
                "the session layer's cookie is `Secure`, which browsers drop on plain http: take the \
                 layer of the sign-in, `.layer(sign_in.session_layer())`"
            }
            false => return Ok(()),
        };
        Err(SignInFailure::new(SignInFailureKind::Misconfigured).caused_by(problem))
    }
}

/// Returns whether the browser was signed out from elsewhere: a user who is let in again without a word
/// would not learn of it, and a device that was signed out from afar would be back at once. After a time
/// limit or a refused renewal, the sign-in is all that there is to say.
const fn is_told(reason: EndReason) -> bool {
    use EndReason::{Evicted, ProviderLogout, Replaced, RevokedByAdmin, RevokedByUser};
    matches!(reason, Evicted | ProviderLogout | Replaced | RevokedByAdmin | RevokedByUser)
}

/// The layer notes each request that it has looked at.
fn is_inside_of_layer(extensions: &Extensions) -> bool {
    extensions.get::<CurrentSession>().is_some() || extensions.get::<NoSession>().is_some()
}

/// Without the layer the session's cookie would not reach the browser.
fn missing_layer(uri: &Uri) -> Response<Bytes> {
    missing_layer::report(&Rejection::MissingLayer, uri.path());
    ProblemDetails::of(&Rejection::MissingLayer)
}
