//! Tokens that are bound to a key (DPoP, RFC 9449; feature `dpop`).
//!
#![doc = include_str!("../../docs/dpop.md")]

mod error;
mod key;
mod nonces;
mod proof;
mod target;

pub use crate::token::DpopKey;
pub use error::ProofError;
pub use nonces::DpopNonces;
pub use proof::ProofRequest;
