//! The record of a renewal.

/// What happened to a renewal that took effect, or reused a rotated refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenewalRecord {
    /// When, in epoch milliseconds of the provider's clock.
    pub at: i64,
    /// The `sid` of the login.
    pub sid: String,
    /// The user's `sub`.
    pub subject: String,
    /// What happened.
    pub outcome: RenewalOutcome,
}

/// The outcome of a [`RenewalRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewalOutcome {
    /// The refresh token was rotated.
    Renewed,
    /// The response to the renewal before it was lost, by a fault.
    ResponseLost,
    /// A rotated refresh token was used again, and the login was ended.
    Reused,
}

/// A marker in a response's extensions: the login that it renewed.
#[derive(Clone, Debug)]
pub(crate) struct RenewedLogin {
    pub(crate) sid: String,
    pub(crate) subject: String,
}
