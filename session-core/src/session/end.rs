//! Why a session ended, and who ended it.

use std::fmt;

use super::id::Actor;
use crate::clock::Timestamp;

/// The reason why a session ended; readable until the session is purged (store law 7).
///
/// ```
/// use session_core::EndReason;
///
/// assert_eq!(EndReason::Evicted.as_str(), "evicted");
/// assert_eq!(EndReason::parse("evicted"), Some(EndReason::Evicted));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// It reached its absolute timeout.
    Absolute,
    /// A newer login needed its place under the cap.
    Evicted,
    /// It was not used for the idle timeout.
    Idle,
    /// The provider reported that the user signed out there.
    ProviderLogout,
    /// The provider refused to renew its tokens.
    RenewalRefused,
    /// A policy of one session replaced it by the new login.
    Replaced,
    /// An administrator ended it.
    RevokedByAdmin,
    /// The user ended it from another device.
    RevokedByUser,
    /// The user signed out in it.
    SignedOut,
    /// The same browser signed in again.
    Superseded,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Absolute,
        Self::Evicted,
        Self::Idle,
        Self::ProviderLogout,
        Self::RenewalRefused,
        Self::Replaced,
        Self::RevokedByAdmin,
        Self::RevokedByUser,
        Self::SignedOut,
        Self::Superseded,
    ];

    /// Returns the name under which the reason is stored and reported.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Evicted => "evicted",
            Self::Idle => "idle",
            Self::ProviderLogout => "provider_logout",
            Self::RenewalRefused => "renewal_refused",
            Self::Replaced => "replaced",
            Self::RevokedByAdmin => "revoked_by_admin",
            Self::RevokedByUser => "revoked_by_user",
            Self::SignedOut => "signed_out",
            Self::Superseded => "superseded",
        }
    }

    /// Returns the reason with this name, or `None` if there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why sessions are ended, and who does it, as far as that is known.
///
/// ```
/// use session_core::session::{Actor, EndCause};
/// use session_core::EndReason;
///
/// let cause = EndCause::by_admin(Actor::new("alice@ops").unwrap());
/// assert_eq!(cause.reason, EndReason::RevokedByAdmin);
/// assert_eq!(EndCause::from(EndReason::SignedOut).actor, None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndCause {
    /// The reason.
    pub reason: EndReason,
    /// Who ends them, where it is not the user or the provider that the reason names.
    pub actor: Option<Actor>,
}

impl EndCause {
    /// Creates the cause of an end by an administrator, whose name is recorded if it is given.
    #[must_use]
    pub fn by_admin(actor: impl Into<Option<Actor>>) -> Self {
        Self { reason: EndReason::RevokedByAdmin, actor: actor.into() }
    }
}

impl From<EndReason> for EndCause {
    fn from(reason: EndReason) -> Self {
        Self { reason, actor: None }
    }
}

/// When and why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When, by the clock of the node that ended it.
    pub at: Timestamp,
    /// The reason.
    pub reason: EndReason,
}
