use serde::Serialize;

/// What happened since the start; also the JSON object at `/stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Authorization codes that came back after their use.
    pub code_reuse_detected: u64,
    /// Logins whose tokens are good now; the only one that also falls.
    pub families_alive: u64,
    /// People signed in: authorization codes issued.
    pub logins: u64,
    /// Renewals that took effect, also those whose answer was lost.
    pub renewals: u64,
    /// Used refresh tokens that came back and had their family revoked.
    pub reuse_detected: u64,
    /// Revocation requests that named a token which was then alive.
    pub revocations: u64,
    /// Requests to the revocation endpoint, whatever became of them.
    pub revocation_requests: u64,
    /// Requests to the token endpoint, whatever became of them.
    pub token_requests: u64,
    /// Requests to userinfo, whatever became of them.
    pub userinfo_requests: u64,
}
