//! The sign-in: the redirect to the provider, and the callback.

mod callback;
mod login;
mod pending;

pub(crate) use callback::callback;
pub(crate) use login::login;
pub(crate) use pending::PendingCookies;
