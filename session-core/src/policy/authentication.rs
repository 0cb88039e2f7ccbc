//! Whether a user has authenticated recently and strongly enough for what is asked (RFC 9470; OpenID
//! Connect Core, section 3.1.2.1).

use std::time::Duration;

use crate::clock::Timestamp;
use crate::session::Authentication;

/// By how much the clocks of the provider and of this process may differ. A sign-in is fresh for as
/// much longer than it was asked to be: the way back from the provider takes time too.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// What is required of a user's authentication: how long ago it may have been, at which level.
///
/// ```
/// use std::time::Duration;
/// use session_core::policy::authentication::{InsufficientAuthentication, RequiredAuthentication};
/// use session_core::session::Authentication;
/// use session_core::Timestamp;
///
/// let required = RequiredAuthentication::within(Duration::from_secs(300)).with_acr("phr").unwrap();
/// let at = Timestamp::from_millis(1_700_000_000_000);
/// let authentication =
///     Authentication { at: Some(at), acr: Some("phr".to_owned()), amr: Vec::new() };
/// assert_eq!(required.check(&authentication, at + Duration::from_secs(300)), Ok(()));
/// let later = at + Duration::from_secs(361);
/// assert_eq!(required.check(&authentication, later), Err(InsufficientAuthentication::TooOld));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct RequiredAuthentication {
    /// In seconds.
    max_age: Option<u64>,
    acr_values: Vec<String>,
}

impl RequiredAuthentication {
    /// Requires that the user has authenticated within this time, in whole seconds; zero means that
    /// it is now.
    #[must_use]
    pub const fn within(max_age: Duration) -> Self {
        Self { max_age: Some(max_age.as_secs()), acr_values: Vec::new() }
    }

    /// Requires nothing; [`with_acr`](Self::with_acr) adds what is required.
    #[must_use]
    pub const fn none() -> Self {
        Self { max_age: None, acr_values: Vec::new() }
    }

    /// Adds a level (`acr`), one of which is required; the preferred one first.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidAcr`] if the value is empty, longer than 255 bytes, or has other characters
    /// than visible ASCII ones: the values travel separated by spaces.
    pub fn with_acr(mut self, value: impl Into<String>) -> Result<Self, InvalidAcr> {
        let value = value.into();
        let is_sendable = value.bytes().all(|byte| byte.is_ascii_graphic());
        if value.is_empty() || value.len() > 255 || !is_sendable {
            return Err(InvalidAcr);
        }
        self.acr_values.push(value);
        Ok(self)
    }

    /// Returns how long ago the user may have authenticated.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age.map(Duration::from_secs)
    }

    /// Returns the levels of which one is required, separated by spaces; `None` if any is accepted.
    #[must_use]
    pub fn acr_values(&self) -> Option<String> {
        (!self.acr_values.is_empty()).then(|| self.acr_values.join(" "))
    }

    /// Returns whether nothing is required.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.max_age.is_none() && self.acr_values.is_empty()
    }

    /// Decides whether an authentication is sufficient at `now`.
    ///
    /// It is fresh for [`CLOCK_SKEW`] longer than asked, and at most as far in the future. What is
    /// not known does not count.
    ///
    /// # Errors
    ///
    /// Returns [`InsufficientAuthentication`] with what is missing.
    pub fn check(
        &self,
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<(), InsufficientAuthentication> {
        if let Some(max_age) = self.max_age() {
            let at = authentication.at.ok_or(InsufficientAuthentication::TimeUnknown)?;
            let is_recent = now.since(at) <= max_age.saturating_add(CLOCK_SKEW);
            // A provider whose clock is ahead does not make a sign-in fresh for longer.
            if !is_recent || at.since(now) > CLOCK_SKEW {
                return Err(InsufficientAuthentication::TooOld);
            }
        }
        let has_level =
            || authentication.acr.as_ref().is_some_and(|acr| self.acr_values.contains(acr));
        match self.acr_values.is_empty() || has_level() {
            true => Ok(()),
            false => Err(InsufficientAuthentication::OtherLevel),
        }
    }
}

/// Why an authentication is not sufficient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsufficientAuthentication {
    /// The user has not authenticated at one of the required levels.
    #[error("the user has not authenticated at a required level (acr)")]
    OtherLevel,
    /// It is not known when the user has authenticated.
    #[error("it is not known when the user has authenticated (auth_time)")]
    TimeUnknown,
    /// The user has authenticated longer ago than is accepted, or in the future.
    #[error("the user has authenticated longer ago than is accepted (max_age)")]
    TooOld,
}

/// A level that cannot be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an acr value must have 1 to 255 visible ascii characters")]
pub struct InvalidAcr;
