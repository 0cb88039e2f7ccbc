//! An in-house token service, and the provider that speaks its protocol.

mod provider;
mod service;

pub(crate) use provider::HouseProvider;
pub(crate) use service::House;

/// The header with the key by which the service knows this application.
const APPLICATION_KEY: &str = "x-application-key";

/// The header with a ticket, at what tickets open.
const TICKET: &str = "x-ticket";
