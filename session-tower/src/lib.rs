//! A tower layer that resolves the session cookie, for axum, hyper and any tower stack.
//!
//! [`SessionLayer`] asks a [`SessionManager`](session_core::SessionManager) for the session of a
//! request's cookie, and puts it into the request's extensions as a [`CurrentSession`]: the user,
//! the tokens, and a signal that completes when the session ends. Handlers get plain values, never a
//! store or a lock.
//!
//! ```text
//! request    Cookie header -> digest -> cache -> store -> CurrentSession in the extensions
//! response   CookieUpdate in the extensions -> Set-Cookie, Cache-Control: no-store
//! ```
//!
//! A handler that signs a user in or out awaits the call on the manager, which takes effect there,
//! and puts a [`CookieUpdate`] into the response's extensions, so that the browser's cookie follows.
//!
//! # What a handler gets
//!
//! | the request's cookie | in the request's extensions | if a session is [required](SessionLayer::require_session) |
//! |---|---|---|
//! | none | nothing; the store is not asked | 401 `no_session` |
//! | of a live session | [`CurrentSession`] | the same |
//! | of an ended session | [`EndedSession`] | 401 with the reason; the cookie is cleared |
//! | of a session that a new sign-in of this browser superseded | nothing | 401 `no_session` |
//! | malformed, oversized or unknown | nothing; the cookie is cleared | 401 `no_session`; the cookie is cleared |
//! | malformed, and its name has no prefix | nothing: another application's value is kept | 401 `no_session` |
//! | of another user than the one [known](SessionLayer::with_user), or unknown | nothing; the cookie is kept | 401 `no_session` |
//! | any, of a request for which the application [knows](SessionLayer::with_user) no user | nothing; the store is not asked, the cookie is kept | 401 `no_session` |
//! | two, of different live sessions | nothing | 401 `no_session` |
//! | any, while the store is unavailable | the request is rejected: 503 with `Retry-After` | the same |
//! | of a session whose tokens cannot be decrypted | [`UnreadableSession`]; the cookie is kept | 503 `unreadable`; the cookie is kept |
//!
//! [`PresentedCookie`] gives the next sign-in the digest of any well-formed cookie, so that the new
//! session replaces the one that the browser had before.
//!
//! Rejections are answered with [problem documents](ProblemDetails), with a
//! [redirect to a login page](RedirectToLogin), or with a [response of your own](RejectionResponse);
//! those of extractors and handlers too.
//!
//! # The cache
//!
//! A cached session is served at once: without a query, an async lock or a wait. No request waits
//! for a renewal, which runs in the background, unless its handler asks for a
//! [fresh token](CurrentSession::fresh_tokens), or its layer
//! [requires one](SessionLayer::require_fresh_token).
//!
//! An entry is served for at most the policy's `max_staleness` after its row was read: within that
//! time, the end of a session in another process takes effect here. An end in this process takes
//! effect at once, also on rows that are being read meanwhile.
//!
#![cfg_attr(feature = "axum", doc = include_str!("../docs/axum.md"))]
//!
//! # With hyper
//!
//! ```no_run
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use hyper_util::rt::TokioIo;
//! use hyper_util::service::TowerToHyperService;
//! use session_core::SessionManager;
//! use session_tower::{CurrentSession, SessionLayer};
//! use tower::ServiceBuilder;
//!
//! async fn hello(
//!     request: Request<hyper::body::Incoming>,
//! ) -> Result<Response<Full<Bytes>>, Infallible> {
//!     let text = match request.extensions().get::<CurrentSession>() {
//!         Some(session) => format!("hello {}", session.user()),
//!         None => "hello, please sign in".to_owned(),
//!     };
//!     Ok(Response::new(Full::from(text)))
//! }
//!
//! async fn serve(manager: SessionManager) -> std::io::Result<()> {
//!     let service = ServiceBuilder::new().layer(SessionLayer::new(manager)).service_fn(hello);
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     loop {
//!         let (stream, _) = listener.accept().await?;
//!         let service = TowerToHyperService::new(service.clone());
//!         let connection = hyper::server::conn::http1::Builder::new()
//!             .serve_connection(TokioIo::new(stream), service);
//!         tokio::spawn(connection);
//!     }
//! }
//! ```
//!
//! # Routes that need a recent sign-in
//!
//! [`RequireAuthenticationLayer`], [`CurrentSession::require`] and, for axum, `FreshSession` let requests pass whose user has
//! authenticated recently or strongly enough; others are sent to the sign-in, which lets the same
//! session go on (step-up, RFC 9470).
//!
//! # Calls to other services
//!
//! [`outgoing`] is a layer around an HTTP client that attaches the session's access token, renewed
//! where needed, and sends it to allowed origins only.
//!
//! # Tools that users connect
//!
//! With the feature `sign-in`, `tools` has the routes by which a signed-in user connects a tool server
//! (MCP) once, for all devices.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `axum` | extractors and response parts for axum |
//! | `sign-in` | all of `devices`; `sign_in`: ready-made sign-in and sign-out; `tools`: ready-made connections to tool servers; `outgoing::OutgoingClient` |
//! | `shared-signals` | `sign_in::signals`: services for CAEP's `session-revoked` and Global Token Revocation |
//! | `devices` | `devices`: a ready-made page of the user's devices |
//! | `dpop` | `outgoing` sends tokens that are bound to a key, with a proof for each request (RFC 9449) |
//! | `test-util` | `testing`: signed-in users for an application's own tests |
//!
//! # Security
//!
//! - The cookie has the `__Host-` prefix, `Secure`, `HttpOnly` and `SameSite=Lax` unless
//!   [configured otherwise](SessionCookie::builder). A value that was not issued here is never
//!   adopted.
//! - A cookie that cannot be looked up is answered 503, and never treated as anonymous.
//! - `Set-Cookie` values are marked as sensitive, and no log line of this crate contains one. A
//!   layer outside of this one that logs request headers should mark `Cookie` as sensitive too
//!   (tower-http's `SetSensitiveRequestHeadersLayer`).
//!
//! The `guide` (with all features) leads from the first sign-in to operating many nodes.
//!
//! Ids in comments lead to [`session_core::documentation`]: `C7` is a row of its checklist, `F13` one
//! of its failures.

// Marks what needs a feature, on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// The README's example is a test.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(feature = "devices")]
mod answer;
mod body;
mod cache;
mod cookie;
mod cookie_update;
mod current;
#[cfg(feature = "devices")]
pub mod devices;
#[cfg(feature = "axum")]
mod extract;
#[cfg(feature = "sign-in")]
mod failure_page;
mod flights;
mod future;
#[cfg(all(feature = "axum", feature = "devices", feature = "sign-in", feature = "test-util"))]
pub mod guide;
mod html;
mod known_user;
mod layer;
#[cfg(any(feature = "axum", feature = "devices"))]
mod missing_layer;
mod outage_log;
mod outcome;
pub mod outgoing;
mod preflight;
mod recent;
mod redirect;
mod rejection;
mod require_authentication;
mod resolve;
#[cfg(feature = "devices")]
mod same_site;
mod service;
#[cfg(feature = "sign-in")]
pub mod sign_in;
#[cfg(feature = "test-util")]
pub mod testing;
#[cfg(feature = "sign-in")]
pub mod tools;
mod until_ended;
mod www_authenticate;

pub use body::ResponseBody;
pub use cookie::{
    CookieBuilder, CookieError, LegacyDecoder, LegacyFormat, SameSite, SessionCookie,
};
pub use cookie_update::CookieUpdate;
pub use current::{CurrentSession, EndedSession, PresentedCookie, UnreadableSession};
#[cfg(feature = "axum")]
pub use extract::FreshSession;
pub use future::ResponseFuture;
pub use known_user::KnownUser;
pub use layer::SessionLayer;
pub use redirect::{InvalidLoginPath, RedirectToLogin};
pub use rejection::{ProblemDetails, Rejection, RejectionResponse};
pub use require_authentication::{RequireAuthentication, RequireAuthenticationLayer};
pub use service::SessionService;
pub use until_ended::UntilEnded;
