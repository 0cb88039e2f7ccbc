//! Tokens that are bound to a key (DPoP, RFC 9449; feature `dpop`).
//!
#![doc = include_str!("../../docs/dpop.md")]

mod key;
mod nonces;
mod proof;
mod target;

pub use crate::token::DpopKey;
pub use nonces::DpopNonces;
pub use proof::{ProofError, ProofRequest};
