//! For how long a secret that was rotated away is still accepted.

use std::time::Duration;

use crate::clock::Timestamp;

/// How long the old secret is accepted after the new one was first presented.
const AFTER_CONFIRMATION: Duration = Duration::from_secs(30);

/// How long the old secret is accepted at most.
const AT_MOST: Duration = Duration::from_secs(600);

/// How long a response may still be under way with a new secret that nobody has presented.
const RESPONSE_UNDER_WAY: Duration = Duration::from_secs(60);

/// Whether the old secret is still accepted: 30 s after the new one was first presented, and ten
/// minutes at most, so that requests and responses that cross each other lose nobody.
///
/// ```
/// use session_core::policy::rotation::is_previous_accepted;
/// use session_core::Timestamp;
/// use std::time::Duration;
///
/// let rotated = Timestamp::from_millis(0);
/// let minute = Duration::from_secs(60);
/// assert!(is_previous_accepted(rotated, None, rotated + minute));
/// assert!(!is_previous_accepted(rotated, Some(rotated), rotated + minute));
/// assert!(!is_previous_accepted(rotated, None, rotated + minute * 10));
/// ```
#[must_use]
pub fn is_previous_accepted(
    rotated_at: Timestamp,
    confirmed_at: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    now < accepted_until(rotated_at, confirmed_at)
}

/// Until when the old secret is accepted.
#[must_use]
pub fn accepted_until(rotated_at: Timestamp, confirmed_at: Option<Timestamp>) -> Timestamp {
    let at_most = rotated_at + AT_MOST;
    confirmed_at.map_or(at_most, |confirmed| at_most.min(confirmed + AFTER_CONFIRMATION))
}

/// Whether the `Set-Cookie` with the new secret must be taken for lost: nobody has presented it,
/// and no response can still be under way. Then the new secret, which nobody holds, may be
/// replaced by another one; the old one keeps its ten minutes.
#[must_use]
pub fn is_new_secret_lost(
    rotated_at: Timestamp,
    confirmed_at: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    confirmed_at.is_none() && now >= rotated_at + RESPONSE_UNDER_WAY
}
