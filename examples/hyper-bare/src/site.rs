//! The site: three routes with the session layer around them.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use session_core::manager::SignIn;
use session_core::store::memory::MemoryStore;
use session_core::{Keyring, ProviderName, SessionManager, TokenResponse, UserId};
use session_tower::{
    CookieUpdate, CurrentSession, EndedSession, PresentedCookie, Rejection, ResponseBody,
    SessionCookie, SessionLayer,
};
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;
use tower_http::csrf::CsrfLayer;

pub(crate) type Site =
    BoxCloneSyncService<Request<Incoming>, Response<ResponseBody<Body>>, Infallible>;

type Body = Full<Bytes>;

/// Builds the site, with its sessions in memory.
pub(crate) async fn site() -> Result<Site, Box<dyn Error>> {
    let manager = SessionManager::builder(MemoryStore::new())
        .keyring(Keyring::parse(&Keyring::generate_entry("demonstration")?)?)
        .start()
        .await?;
    // Browsers and curl would not send a `Secure` cookie over plain http.
    let cookie = SessionCookie::builder().dangerous_insecure().build()?;
    let sessions = SessionLayer::new(manager.clone()).with_cookie(cookie);
    let routes = ServiceBuilder::new().layer(CsrfLayer::new()).layer(sessions).service_fn(
        move |request: Request<Incoming>| {
            let manager = manager.clone();
            async move { Ok(route(&manager, &request).await) }
        },
    );
    Ok(BoxCloneSyncService::new(routes))
}

async fn route(manager: &SessionManager, request: &Request<Incoming>) -> Response<Body> {
    let answer = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => Ok(home(request)),
        (&Method::POST, "/sign-in") => sign_in(manager, request).await,
        (&Method::POST, "/sign-out") => sign_out(manager, request).await,
        _ => Ok(text(StatusCode::NOT_FOUND, "no such page\n")),
    };
    answer.unwrap_or_else(Rejection::response)
}

fn home(request: &Request<Incoming>) -> Response<Body> {
    let extensions = request.extensions();
    let current = extensions.get::<CurrentSession>();
    let ended = extensions.get::<EndedSession>();
    let line = match (current, ended) {
        (Some(current), _) => format!("signed in as {}\n", current.user()),
        (None, Some(ended)) => format!("no longer signed in: {}\n", ended.reason),
        (None, None) => "not signed in\n".to_owned(),
    };
    text(StatusCode::OK, line)
}

/// Signs in the user of the query without a password. A real site signs in with the response of a
/// provider's token endpoint.
async fn sign_in(
    manager: &SessionManager,
    request: &Request<Incoming>,
) -> Result<Response<Body>, Rejection> {
    let user = request.uri().query().and_then(|query| query.strip_prefix("user="));
    let names = user.map(UserId::new).zip(Some(ProviderName::new("demonstration")));
    let Some((Ok(user), Ok(provider))) = names else {
        return Ok(text(StatusCode::BAD_REQUEST, "/sign-in?user=ann\n"));
    };
    let presented = PresentedCookie::of(request.extensions());
    let sign_in = SignIn::new(&user, &provider, TokenResponse::bearer("access-token"))
        .supersedes(presented.iter().flat_map(PresentedCookie::digests));
    let signed_in = manager.sign_in(sign_in).await?;
    let mut response = text(StatusCode::OK, format!("welcome, {user}\n"));
    response.extensions_mut().insert(CookieUpdate::signed_in(&signed_in));
    Ok(response)
}

async fn sign_out(
    manager: &SessionManager,
    request: &Request<Incoming>,
) -> Result<Response<Body>, Rejection> {
    let current = request.extensions().get::<CurrentSession>().ok_or(Rejection::NoSession)?;
    manager.sign_out(current.user(), current.id()).await?;
    let mut response = text(StatusCode::OK, "bye\n");
    response.extensions_mut().insert(CookieUpdate::signed_out());
    Ok(response)
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}
