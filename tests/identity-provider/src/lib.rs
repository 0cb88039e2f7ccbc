//! An OpenID Connect provider for development and tests: a test fixture, not for production.
//!
//! It speaks discovery, JWKS, the authorization code flow with PKCE, refresh tokens with rotation
//! and reuse detection, revocation, userinfo and RP-initiated logout, over real HTTP, with the types
//! of the openidconnect crate. It asks for no password: typing a name signs in as that user. All state
//! is in memory. It must never be reachable from other machines.
//!
//! Every login is a *family*: one `sid` and its chain of refresh tokens. Reuse of a rotated refresh
//! token, a revocation and a logout each end one family.
//!
//! A test controls the provider by [`Control`]: it changes lifetimes, scripts faults of an endpoint,
//! ends a family, and reads the counters that are also served at `/stats`.
//!
//! | path | content |
//! |---|---|
//! | `/.well-known/openid-configuration`, `/jwks` | OpenID Connect Discovery 1.0, RFC 7517 |
//! | `/.well-known/oauth-authorization-server` | RFC 8414: for clients that want no ID token |
//! | `/authorize`, `/login` | RFC 6749 with RFC 7636, RFC 8252, RFC 9207; the login form |
//! | `/token` | `authorization_code` and `refresh_token` |
//! | `/userinfo` | the protected resource (RFC 6750) |
//! | `/revoke` | RFC 7009 |
//! | `/introspect` | RFC 7662, with the audience that `resource` has asked for (RFC 8707) |
//! | `/logout` | RP-Initiated Logout 1.0 |
//! | `/stats` | [`Stats`] as JSON |
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use identity_provider::{Client, IdentityProvider};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = IdentityProvider::builder()
//!     .client(Client::new("my-app").secret("s3cret").redirect_uri("http://127.0.0.1/callback"))
//!     .access_token_lifetime(Duration::from_secs(60))
//!     .auto_login(true)
//!     .build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let running = provider.spawn(listener)?;
//! assert!(running.issuer().as_str().starts_with("http://127.0.0.1:"));
//! assert_eq!(running.control().stats().logins, 0);
//! # Ok(())
//! # }
//! ```

mod authorize;
mod builder;
mod client;
mod client_authentication;
mod clock;
mod control;
mod discovery;
mod error_response;
mod fault;
mod fault_injection;
mod id_token;
mod introspect;
mod key;
mod ledger;
mod login;
mod logout;
mod page;
mod params;
mod provider;
mod redirect_uri;
mod renewal_record;
mod revoke;
mod router;
mod server;
mod settings;
mod stats;
mod token;
mod user;
mod userinfo;

pub use builder::{BuildError, IdentityProvider, IdentityProviderBuilder};
pub use client::Client;
pub use control::{Control, Family};
pub use fault::{Endpoint, Fault, HeldRequest, ScriptedResponse};
pub use id_token::SessionClaims;
pub use key::{KeyError, SigningKey};
pub use renewal_record::{RenewalOutcome, RenewalRecord};
pub use server::RunningProvider;
pub use settings::Settings;
pub use stats::Stats;
pub use user::User;
