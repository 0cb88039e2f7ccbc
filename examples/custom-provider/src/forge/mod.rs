//! A service like GitHub, and the provider for it.

mod provider;
mod service;

pub(crate) use provider::ForgeProvider;
pub(crate) use service::Forge;
