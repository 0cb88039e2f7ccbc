//! For how long a secret is accepted after it was rotated.

use std::time::Duration;

use crate::clock::Timestamp;

/// How long the previous secret is accepted after the new one was first presented.
const AFTER_CONFIRMATION: Duration = Duration::from_secs(30);

/// How long the previous secret is accepted at most.
const MAX_ACCEPTED: Duration = Duration::from_secs(600);

/// How long a response with a new secret may be in flight.
const MAX_IN_FLIGHT: Duration = Duration::from_secs(60);

/// Returns whether the previous secret is still accepted: until 30 seconds after the new one was
/// first presented, at most for ten minutes, so that the user stays signed in when requests and
/// responses cross each other.
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

/// Returns after which times a secret must have been rotated and its successor first presented, if it
/// was, so that the previous one is still accepted at `now`: [`is_previous_accepted`] for a query.
#[must_use]
pub fn accepted_since(now: Timestamp) -> (Timestamp, Timestamp) {
    (now - MAX_ACCEPTED, now - AFTER_CONFIRMATION)
}

/// Returns until when the previous secret is accepted.
#[must_use]
pub fn accepted_until(rotated_at: Timestamp, confirmed_at: Option<Timestamp>) -> Timestamp {
    let latest = rotated_at + MAX_ACCEPTED;
    confirmed_at.map_or(latest, |confirmed| latest.min(confirmed + AFTER_CONFIRMATION))
}

/// Returns whether the `Set-Cookie` with the new secret must be considered lost: the secret was not
/// presented within a minute, after which no response can still be in flight. Then another secret
/// may replace it; the previous one keeps its ten minutes.
#[must_use]
pub fn is_new_secret_lost(
    rotated_at: Timestamp,
    confirmed_at: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    confirmed_at.is_none() && now >= rotated_at + MAX_IN_FLIGHT
}
