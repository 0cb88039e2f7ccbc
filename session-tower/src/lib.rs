//! A tower layer that resolves the session cookie, for axum, hyper and any tower stack.
//!
//! ```text
//! request    Cookie header -> digest -> cache -> store -> CurrentSession in the extensions
//! response   CookieUpdate in the extensions -> Set-Cookie, Cache-Control: no-store
//! ```
//!
//! [`SessionLayer`] asks a [`SessionManager`](session_core::SessionManager) whose session a cookie
//! is for, and puts plain values into the request's extensions; no handler gets a store or a lock.
//! A handler that changes something awaits the call on the manager, which takes its effect there,
//! and puts a [`CookieUpdate`] into the response, so that the browser learns of it.
//!
//! # What a handler finds
//!
//! | the request brings | the extensions hold | where a session is [required](SessionLayer::require_session) |
//! |---|---|---|
//! | no cookie of the name | nothing, and nothing was asked | 401 `no_session` |
//! | the cookie of a live session | [`CurrentSession`] | the same |
//! | one that was live | [`EndedSession`] | 401 with the reason, and the cookie is cleared |
//! | one that this browser's new sign-in superseded | nothing | 401 `no_session` |
//! | a malformed, oversized or foreign one | nothing; the cookie is cleared | 401 `no_session`, cleared |
//! | two of different live sessions | nothing | 401 `no_session` |
//! | one that cannot be looked up, for the store is away | 503 with `Retry-After` | the same |
//! | one whose tokens do not open | 503 `unreadable`; the cookie is kept | the same |
//!
//! Whatever is presented and well-formed is known as [`PresentedCookie`], for the next sign-in.
//!
//! # The cache
//!
//! A request whose session is in the cache takes no lock of ours, makes no query and waits for
//! nothing: with a valid token it never waits for a renewal either, which goes on beside it. An
//! entry is served for the policy's `max_staleness` after its row was read, which bounds how long
//! an end on another process stays unnoticed; an end on this process takes effect at once, and a
//! row that was being read meanwhile is read again.
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
//!         None => "hello, whoever you are".to_owned(),
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
//! # Security
//!
//! - The cookie has the `__Host-` prefix, `Secure`, `HttpOnly` and `SameSite=Lax` unless
//!   [told otherwise](SessionCookie::builder); a value that was not issued here is never adopted.
//! - What cannot be looked up is answered 503, never "anonymous".
//! - `Set-Cookie` values are marked as sensitive and no log line of this crate has a value in it. A
//!   layer outside of this one that logs request headers should mark `Cookie` as sensitive too
//!   (tower-http's `SetSensitiveRequestHeadersLayer`).
//!
//! Ids in comments lead to [`session_core::documentation`]: `C7` is a row of its checklist, `F13` one
//! of its failures.

mod admission;
mod cache;
mod change;
mod cookie;
mod current;
#[cfg(feature = "axum")]
mod extract;
mod failure;
mod findings;
mod future;
mod layer;
mod resolve;
mod service;

pub use change::CookieUpdate;
pub use cookie::{CookieBuilder, CookieError, LegacyFormat, SameSite, SessionCookie};
pub use current::{CurrentSession, EndedSession, PresentedCookie};
pub use failure::{
    InvalidLoginPath, ProblemDetails, RedirectToLogin, Rejection, RejectionResponse,
};
pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use service::SessionService;
