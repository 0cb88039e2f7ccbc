//! Sessions of many devices for one user, with the OAuth 2.0 and OpenID Connect tokens of each
//! sign-in kept safe on the server.
//!
//! Every sign-in is a session of its own: one row, one secret in one browser's cookie, one token
//! set. A user may have several sessions at the same time, up to a cap. Each renews its own tokens,
//! and ending one leaves the others alone.
//!
//! # The parts
//!
//! - [`SessionManager`] signs users in, finds their sessions and keeps their tokens fresh. It brings
//!   the other parts together.
//! - [`SessionPolicy`] decides how many sessions a user may have, which are evicted, what has timed
//!   out and what is due for renewal. It is pure.
//! - [`SessionStore`] stores sessions under [twelve laws](store). There is one in
//!   [memory](store::memory), and one for SQLite, PostgreSQL and MySQL or MariaDB.
//! - [`Provider`] renews and revokes tokens at the service that issued them.
//! - [`Keyring`] seals tokens at rest, each for its own row.
//! - [`Clock`](clock::Clock) is the only source of time.
//! - A [broadcast] tells other nodes at once what has changed, where one is set.
//! - [`middleware`] is for authors of middleware; applications use `session-tower`.
//!
//! # Example
//!
//! ```
//! use session_core::manager::{Resolution, SignIn};
//! use session_core::store::memory::MemoryStore;
//! use session_core::{EndReason, Keyring, ProviderName, SessionManager, SessionPolicy};
//! use session_core::{TokenResponse, UserId};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = SessionManager::builder(MemoryStore::new())
//!     .policy(SessionPolicy::builder().max_sessions(2).build()?)
//!     .keyring(Keyring::parse(&Keyring::generate_entry("2026")?)?)
//!     .start()
//!     .await?;
//! let (ann, okta) = (UserId::new("ann")?, ProviderName::new("okta")?);
//! let sign_in = |token: &str| SignIn::new(&ann, &okta, TokenResponse::bearer(token));
//!
//! let laptop = sessions.sign_in(sign_in("at-laptop")).await?;
//! let phone = sessions.sign_in(sign_in("at-phone")).await?;
//! let tablet = sessions.sign_in(sign_in("at-tablet")).await?;
//!
//! // The third sign-in at a cap of two evicts the oldest session, whose user can be told why.
//! assert_eq!(tablet.ended[0].id, laptop.session.id);
//! let resolution = sessions.resolve(&laptop.secret.digest(), None).await?;
//! assert!(matches!(resolution, Resolution::Ended { ended, .. } if ended.reason == EndReason::Evicted));
//!
//! // The phone keeps its own token.
//! let Resolution::Live(live) = sessions.resolve(&phone.secret.digest(), None).await? else {
//!     unreachable!()
//! };
//! assert_eq!(live.tokens().access_token(), "at-phone");
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `openid` | `provider::openid`: OpenID Connect with the openidconnect crate; `provider::tool_server`: tool servers (MCP); you choose the HTTP client |
//! | `dpop` | `dpop`: tokens that are bound to a key of their session (RFC 9449) |
//! | `reqwest` | `openid` with an HTTP client on reqwest and rustls, and providers from environment variables |
//! | `shared-signals` | `provider::openid::signals`: security events of a provider (CAEP), and Global Token Revocation |
//! | `sqlite`, `postgres`, `mysql` | `store::sea_orm`: the store on these databases; you choose TLS in your own manifest |
//! | `metrics` | [`metrics`]: counters and gauges of what happens, for the recorder that you install |
//! | `redis` | `broadcast::RedisPubSub`: tells other nodes of changes through Redis or Valkey |
//! | `test-util` | `testing`: a fake clock, a scripted provider, a store with faults, the conformance suite |
//!
//! # Ids in comments and tests
//!
//! `F13` is an entry of the [failures](documentation::failures) that this workspace avoids, `C7` a
//! row of the [security checklist](documentation::checklist), and "store law 4" a law of [`store`].

// Marks what needs a feature, on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod broadcast;
pub mod clock;
mod error_chain;
pub mod documentation {
    //! The pages that comments and tests refer to by id.

    #[doc = include_str!("../docs/checklist.md")]
    pub mod checklist {}
    #[doc = include_str!("../docs/failures.md")]
    pub mod failures {}
}
#[cfg(feature = "dpop")]
pub mod dpop;
pub mod event;
pub mod manager;
pub mod metrics;
pub mod middleware;
pub mod policy;
pub mod provider;
pub mod session;
pub mod store;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod token;

pub use clock::Timestamp;
pub use manager::SessionManager;
pub use policy::SessionPolicy;
pub use provider::Provider;
pub use session::{EndReason, ProviderName, Session, SessionId, UserId};
pub use store::SessionStore;
pub use token::{Keyring, TokenResponse, TokenSet};
