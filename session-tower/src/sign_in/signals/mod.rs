//! Signals of a provider that sessions are over, beside back-channel logout (feature
//! `shared-signals`).
//!
//! Two services end sessions as [`back_channel_logout`](super::OpenIdSignIn::back_channel_logout) does:
//! browser sessions of that provider's issuer, and no connection of a tool client. They need no session
//! and no cookie: they may stand outside of the session layer, and must stand outside of a protection
//! against cross-site requests.
//!
//! ```no_run
//! # fn app(sign_in: session_tower::sign_in::OpenIdSignIn) -> axum::Router {
//! axum::Router::new()
//!     .route_service("/events", sign_in.security_events("https://app.example/events"))
//!     .route_service(
//!         "/global-token-revocation",
//!         sign_in.global_token_revocation("https://app.example/global-token-revocation"),
//!     )
//! # }
//! ```
//!
//! | service | who sends | what it says |
//! |---|---|---|
//! | [`SecurityEventService`] | a transmitter of the Shared Signals Framework, by push (RFC 8935) | `session-revoked` (CAEP 1.0) |
//! | [`GlobalTokenRevocationService`] | a provider, or a tool for security incidents (draft-parecki-oauth-global-token-revocation-06) | end everything of a user |
//!
//! # Whom they are about
//!
//! A subject (`iss_sub`) must be one of the provider's issuer, and a session is its `sid`. Any other
//! identifier, such as an e-mail address, is given to the application's [`UserOfSignal`]; without one it
//! is refused, and ends nothing (B9).

mod events;
mod revocation;
mod target;

pub use events::SecurityEventService;
pub use revocation::GlobalTokenRevocationService;
pub use target::{UserLookupError, UserOfSignal};
