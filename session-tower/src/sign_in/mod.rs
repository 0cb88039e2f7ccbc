//! Ready-made sign-in and sign-out with OpenID Connect (feature `sign-in`).
//!
//! [`OpenIdSignIn`] is built once, and gives three services for three routes. They stand inside of
//! the [`SessionLayer`](crate::SessionLayer), which writes the session's cookie; the sign-in has one
//! [that fits](OpenIdSignIn::session_layer), also on plain http in development:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use session_core::provider::openid::OpenIdProvider;
//! use session_core::{ProviderName, SessionManager};
//! use session_tower::sign_in::OpenIdSignIn;
//!
//! # fn app(manager: SessionManager, okta: Arc<OpenIdProvider>)
//! #     -> Result<axum::Router, Box<dyn std::error::Error>> {
//! let sign_in = OpenIdSignIn::builder(manager, "https://app.example")
//!     .provider(ProviderName::new("okta")?, okta)
//!     .scope("profile email offline_access")
//!     .build()?;
//! let app = axum::Router::new()
//!     .route_service("/login", sign_in.login())
//!     .route_service("/callback", sign_in.callback())
//!     .route_service("/logout", sign_in.logout())
//!     .layer(sign_in.session_layer())
//!     .route_service("/backchannel-logout", sign_in.back_channel_logout());
//! # Ok(app)
//! # }
//! ```
//!
//! ```text
//! GET  /login?return_to=/devices   one sealed cookie for this tab; redirect to the provider
//! GET  /login?reason=evicted       says why the browser was signed out; a link to the sign-in
//! GET  /callback?code=…&state=…    checks, tokens, session; redirect to return_to
//! POST /callback                   ends the device that a user at a full cap has chosen
//! POST /logout                     ends the session; the browser goes to the provider's logout
//! POST /backchannel-logout         ends what the provider says is over: [`back_channel_logout`]
//! ```
//!
//! A provider that answers with a form, as Apple does, is told to the builder:
//! [`form_post`](SignInBuilder::form_post).
//!
//! Browsers get a page where a sign-in fails, programs a problem document (RFC 9457). Applications
//! with pages or routes of their own call [`begin`](OpenIdSignIn::begin) and
//! [`complete`](OpenIdSignIn::complete), on which the services are built.
//!
//! [`back_channel_logout`]: OpenIdSignIn::back_channel_logout
//!
//! # Security
//!
//! Authorization code with PKCE, `state`, `nonce` and the issuer (RFC 9207), checked by
//! [`OpenIdProvider`](session_core::provider::openid::OpenIdProvider). The record of a sign-in is
//! sealed, bound to the browser that began it (R9), and used once; each tab has its own (F33).
//! `return_to` leads to a path of this site only.

mod authenticate;
mod back_channel;
mod builder;
mod callback;
mod choose_device;
mod config_error;
mod failure;
mod flow;
mod full_cap;
mod known_tokens;
mod pending_cookies;
mod public_url;
mod services;
#[cfg(feature = "shared-signals")]
pub mod signals;
mod text;
mod users;

pub use back_channel::BackChannelLogoutService;
pub use builder::SignInBuilder;
pub use callback::CallbackService;
pub use config_error::SignInConfigError;
pub use failure::{SignInFailure, SignInFailureKind};
pub use flow::{BeginOptions, Begun, Completed, OpenIdSignIn};
pub use services::{LoginService, LogoutService};
pub use text::SignInText;
pub use users::{RefusedUser, SubjectAsUser, UserOfSignIn};

pub(crate) use flow::device;
pub(crate) use pending_cookies::{PendingCookies, PendingRecord};

pub use crate::answer::ServiceFuture;
