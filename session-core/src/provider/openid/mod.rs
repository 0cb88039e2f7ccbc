//! A provider for OpenID Connect, built on the openidconnect crate (feature `openid`).
//!
//! [`OpenIdProvider`] renews and revokes tokens for the session manager, and signs users in for
//! the application. The application brings the HTTP client, so that no TLS stack is chosen here.
//!
//! ```no_run
//! # async fn example(
//! #     http: impl session_core::provider::openid::HttpClient,
//! #     query: &str,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use session_core::provider::openid::{Callback, OpenIdProvider};
//!
//! let secret = "the client's secret".to_owned().into();
//! let provider =
//!     OpenIdProvider::discover("https://id.example", "my-app", Some(secret), http).await?;
//!
//! // At the login route: send the browser to `url`, keep `pending` in a short-lived cookie.
//! let request = provider.authorization_request(
//!     "https://app.example/callback",
//!     &["profile", "offline_access"],
//!     None,
//! )?;
//!
//! // At the callback route: remove the cookie, whatever the outcome.
//! let outcome = provider.complete(request.pending, Callback::from_query(query)).await?;
//! assert!(outcome.identity.subject.is_some());
//! # Ok(())
//! # }
//! ```

mod answer;
mod builder;
mod exchange;
mod http_client;
mod id_token;
mod keys;
mod pending;
mod provider;
mod retry_after;
mod setting;
mod sign_in;
mod sign_in_error;

pub use builder::{ClientAuthentication, OpenIdBuilder};
pub use http_client::{HttpAnswer, HttpClient};
pub use id_token::SignInClaims;
pub use pending::{AuthorizationRequest, Callback, PendingSignIn};
pub use provider::OpenIdProvider;
pub use setting::{InvalidSetting, SetupError};
pub use sign_in::SignInOutcome;
pub use sign_in_error::{SignInError, SignInErrorKind};
