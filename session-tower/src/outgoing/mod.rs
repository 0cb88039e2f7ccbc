//! Calls to other services on behalf of a session: a layer around any HTTP client.
//!
//! [`OutgoingLayer`] puts the session's access token into the `Authorization` header. It waits for a
//! renewal if the token has expired, and if the other service rejects the token although it has not
//! (401), renews it and repeats the request once. A token only goes to the origins that are
//! [allowed](OutgoingLayer::allow).
//!
//! A request says in its extensions on whose behalf it is made: by the
//! [`CurrentSession`](crate::CurrentSession) of the request that is being answered, or by
//! [`OnBehalfOf`], for a tool client's connection or a job without a browser. Without either it is
//! passed on as it is.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode, header::AUTHORIZATION};
//! use http_body_util::Full;
//! use session_tower::outgoing::{OnBehalfOf, OutgoingLayer};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! # use session_core::manager::SignIn;
//! # use session_core::{Keyring, ProviderName, SessionManager, TokenResponse, UserId};
//! # use session_core::store::memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let keyring = Keyring::parse(&Keyring::generate_entry("2026")?)?;
//! # let manager = SessionManager::builder(MemoryStore::new()).keyring(keyring).start().await?;
//! # let (ann, okta) = (UserId::new("ann")?, ProviderName::new("okta")?);
//! # let login = SignIn::new(&ann, &okta, TokenResponse::bearer("at-1"));
//! # let session = manager.sign_in(login).await?.session;
//! // Any client that is a tower service, such as hyper-util's.
//! let client = service_fn(|request: Request<Full<Bytes>>| async move {
//!     assert_eq!(request.headers()[AUTHORIZATION], "Bearer at-1");
//!     Ok::<_, std::io::Error>(Response::new("the calendar"))
//! });
//! let outgoing = OutgoingLayer::new(manager).allow("https://calendar.example")?.repeat_cloned();
//! let client = ServiceBuilder::new().layer(outgoing).service(client);
//!
//! // In a handler: `.extension(current.clone())`, with its `CurrentSession`.
//! let request = Request::get("https://calendar.example/today")
//!     .extension(OnBehalfOf::session(&session))
//!     .body(Full::default())?;
//! let answer = client.oneshot(request).await?;
//! assert_eq!(*answer.body(), "the calendar");
//! # Ok(())
//! # }
//! ```
//!
//! Where that is all, `OutgoingClient` (feature `sign-in`) is the layer around an HTTP client of one
//! other service: `calendar.get(&session, "/today").await?` in a handler.
//!
//! # Tokens that are bound to a key
//!
//! A token of the type `DPoP` (RFC 9449) is sent with a proof for each request, as
//! `Authorization: DPoP`, by the feature `dpop`; without it the request is refused. It never becomes a
//! bearer token. If the service wants a nonce in the proof (401 with `use_dpop_nonce`), the request is
//! repeated with it, and the nonce is remembered for the next ones. See `session_core::dpop`.
//!
//! A proof is for the address that this layer sees: put layers that change a request's method or
//! address outside of it.
//!
//! # With other clients
//!
//! reqwest's client is a service of its own requests and responses, which convert:
//! `.layer(outgoing).map_request(|request: http::Request<Bytes>| request.try_into().unwrap())`
//! `.map_response(http::Response::<reqwest::Body>::from).service(client)`. tonic takes a service of
//! `http` requests as its channel.
//!
//! Put this layer inside of one that follows redirects, so that each hop is checked anew. A client
//! that follows redirects by itself, as reqwest does by default, must drop the header when the host
//! changes (reqwest does), or not follow.

mod authorize;
mod caller;
mod challenge;
#[cfg(feature = "sign-in")]
mod client;
mod error;
mod layer;
mod origin;
mod proof;
mod repeat;
mod service;
mod settings;

pub use caller::OnBehalfOf;
#[cfg(feature = "sign-in")]
pub use client::{CallError, OutgoingClient};
pub use error::OutgoingError;
pub use layer::OutgoingLayer;
pub use origin::InvalidOrigin;
pub use repeat::{Cloned, Never, Repeat};
pub use service::OutgoingService;
