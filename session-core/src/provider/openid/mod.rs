//! A provider for OpenID Connect, built on the openidconnect crate (feature `openid`).
//!
//! [`OpenIdProvider`] renews and revokes tokens for the session manager, and signs users in for
//! the application. The application brings the [`HttpClient`], so that no TLS stack is chosen here,
//! or takes the default one: feature `reqwest`, `DefaultHttpClient`.
//!
//! ```no_run
//! # async fn example(
//! #     http: impl session_core::provider::openid::HttpClient,
//! #     query: &str,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use session_core::provider::openid::{AuthorizationOptions, Callback, OpenIdProvider};
//!
//! let secret = "the client's secret".to_owned().into();
//! let provider = OpenIdProvider::builder("https://id.example", "my-app", http)
//!     .with_client_secret(secret)
//!     .build()?;
//!
//! // At the login route: send the browser to `url`, keep `pending` in a short-lived cookie.
//! let options = AuthorizationOptions::new("https://app.example/callback")
//!     .with_scope("profile offline_access");
//! let request = provider.authorization_request(options).await?;
//!
//! // At the callback route: remove the cookie, whatever the outcome.
//! let outcome = provider.complete(request.pending, Callback::from_query(query)).await?;
//! assert!(outcome.identity.subject.is_some());
//! # Ok(())
//! # }
//! ```

mod answer;
mod authorization;
mod builder;
#[cfg(feature = "reqwest")]
mod default_client;
mod discovery;
mod document_cache;
#[cfg(feature = "reqwest")]
mod environment;
mod exchange;
mod http_client;
mod id_token;
mod keys;
mod logout_token;
mod logout_token_error;
mod metadata;
mod pending;
mod provider;
#[cfg(feature = "dpop")]
mod proving_client;
mod registration;
mod retry_after;
mod setting;
mod sign_in;
mod sign_in_error;
#[cfg(feature = "shared-signals")]
pub mod signals;
mod signature;
mod signed_token;
mod token_binding;
mod token_exchange;
pub mod tool_server;
mod transport;

pub use authorization::AuthorizationOptions;
pub use builder::OpenIdBuilder;
#[cfg(feature = "reqwest")]
pub use default_client::{DefaultHttpClient, HttpError};
#[cfg(feature = "reqwest")]
pub use environment::EnvironmentError;
pub use http_client::{HttpAnswer, HttpClient};
pub use id_token::SignInClaims;
pub use logout_token::LogoutToken;
pub use logout_token_error::{LogoutTokenError, LogoutTokenErrorKind};
pub use metadata::Endpoints;
pub use pending::{AuthorizationRequest, Callback, PendingSignIn};
pub use provider::OpenIdProvider;
pub use registration::{ClientAuthentication, Endpoint, ExchangeTarget};
pub use setting::{InvalidSetting, SetupError};
pub use sign_in::SignInOutcome;
pub use sign_in_error::{SignInError, SignInErrorKind};
