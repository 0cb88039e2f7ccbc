//! Counters.

use serde::Serialize;

/// Counters since the start; also the JSON object at `/stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Authorization codes that were used twice.
    pub code_reuse_detected: u64,
    /// Logins whose tokens are valid now; the only counter that can decrease.
    pub families_alive: u64,
    /// Authorization codes issued.
    pub logins: u64,
    /// Renewals that took effect, including those whose response was lost.
    pub renewals: u64,
    /// Reused refresh tokens whose family was revoked.
    pub reuse_detected: u64,
    /// Revocation requests for a valid token.
    pub revocations: u64,
    /// Requests to the revocation endpoint, successful or not.
    pub revocation_requests: u64,
    /// Requests to the token endpoint, successful or not.
    pub token_requests: u64,
    /// Requests to the userinfo endpoint, successful or not.
    pub userinfo_requests: u64,
}
