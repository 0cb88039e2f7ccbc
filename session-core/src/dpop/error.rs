//! Why no proof can be made.

use crate::session::RandomnessError;

/// No proof can be made. The error holds neither token nor key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The address of the request is not absolute.
    #[error("the address of a request that needs a proof must have a scheme and a host")]
    Address,
    /// What is stored as the key is none.
    #[error("the key of the session's tokens is not a key of the curve P-256")]
    InvalidKey,
    /// The access token is not bound to a key, or comes from a provider that has not named the key.
    #[error(
        "no key is known to which the access token is bound: let a provider ask for bound tokens \
         (`OpenIdBuilder::require_dpop`)"
    )]
    NoKey,
    /// The operating system provides no randomness.
    #[error("a proof cannot be made")]
    Randomness(
        #[from]
        #[source]
        RandomnessError,
    ),
}
