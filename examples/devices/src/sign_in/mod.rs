//! Signing in: to the provider, and back.

mod callback;
mod login;
mod pending;

pub(crate) use callback::callback;
pub(crate) use login::login;
pub(crate) use pending::PendingCookies;
