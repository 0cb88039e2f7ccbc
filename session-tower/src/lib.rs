//! A tower layer that resolves the session cookie, for axum, hyper and any tower stack.

mod cache;
mod change;
mod cookie;
mod current;
#[cfg(feature = "axum")]
mod extract;
mod failure;
mod future;
mod layer;
mod resolve;
mod service;

pub use change::SessionChange;
pub use cookie::{CookieBuilder, CookieError, LegacyFormat, SameSite, SessionCookie};
pub use current::{CurrentSession, EndedSession, PresentedCookie};
pub use failure::{Failure, FailureResponse, InvalidLoginPath, Problem, RedirectToLogin};
pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use service::SessionService;
