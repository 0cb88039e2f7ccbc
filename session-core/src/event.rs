//! What happened to a session, for the audit trail (A1).

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::session::{Actor, EndReason, ProviderName, Session, SessionId, UserId};

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The session.
    pub session: SessionId,
    /// The user whose session it is.
    pub user: UserId,
    /// Its provider.
    pub provider: ProviderName,
    /// What happened.
    pub kind: EventKind,
    /// Who did it, where that was given: an administrator, by name.
    pub actor: Option<Actor>,
    /// When, by the clock of the node where it happened.
    pub at: Timestamp,
}

impl Event {
    /// Creates an event of this session.
    #[must_use]
    pub fn new(session: &Session, kind: EventKind, at: Timestamp) -> Self {
        let Session { id, user, provider, .. } = session;
        Self { session: *id, user: user.clone(), provider: provider.clone(), kind, actor: None, at }
    }

    /// Sets who did it.
    #[must_use]
    pub fn by(mut self, actor: Option<Actor>) -> Self {
        self.actor = actor;
        self
    }
}

/// A recorded event after which other nodes must read the session again: its end, a renewal, or a
/// step-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The session.
    pub session: SessionId,
    /// What happened.
    pub kind: EventKind,
    /// Where it stands among the others.
    pub position: ChangePosition,
}

impl Change {
    /// Creates a change of this session.
    #[must_use]
    pub const fn new(session: SessionId, kind: EventKind, position: ChangePosition) -> Self {
        Self { session, kind, position }
    }
}

/// Where a change stands among the others, which are listed in the order of their times and ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangePosition {
    /// When it happened, by the clock of the node where it did.
    pub at: Timestamp,
    /// The id of its event, which decides within a millisecond.
    pub id: Uuid,
}

/// What happened to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// It was created.
    Created,
    /// It ended.
    Ended(EndReason),
    /// Its tokens were renewed.
    Renewed,
    /// A renewal failed; the session stays live.
    RenewalFailed(RenewalFailure),
    /// Its user authenticated again, and it got new tokens and a new secret.
    SteppedUp,
}

/// Why a renewal failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewalFailure {
    /// The provider does not accept this client: its secret or registration is wrong.
    Misconfigured,
    /// The provider refused the refresh token.
    Refused,
    /// The provider asked for a pause.
    Throttled,
    /// The provider was unavailable, too slow, or gave no usable answer.
    Unavailable,
}

/// The name of an [`EventKind`], without its detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventName {
    /// [`EventKind::Created`].
    Created,
    /// [`EventKind::Ended`].
    Ended,
    /// [`EventKind::Renewed`].
    Renewed,
    /// [`EventKind::RenewalFailed`].
    RenewalFailed,
    /// [`EventKind::SteppedUp`].
    SteppedUp,
}

impl EventName {
    /// Every name.
    pub const ALL: [Self; 5] =
        [Self::Created, Self::Ended, Self::Renewed, Self::RenewalFailed, Self::SteppedUp];

    /// Returns whether a node that has read the session before must read it again.
    ///
    /// ```
    /// use session_core::event::EventName;
    ///
    /// assert!(EventName::Ended.is_change() && EventName::Renewed.is_change());
    /// assert!(!EventName::RenewalFailed.is_change());
    /// ```
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Ended | Self::Renewed | Self::SteppedUp)
    }

    /// Returns the name as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Ended => "ended",
            Self::Renewed => "renewed",
            Self::RenewalFailed => "renewal_failed",
            Self::SteppedUp => "stepped_up",
        }
    }
}

impl EventKind {
    /// Returns the name, without the detail.
    #[must_use]
    pub const fn name(self) -> EventName {
        match self {
            Self::Created => EventName::Created,
            Self::Ended(_) => EventName::Ended,
            Self::Renewed => EventName::Renewed,
            Self::RenewalFailed(_) => EventName::RenewalFailed,
            Self::SteppedUp => EventName::SteppedUp,
        }
    }

    /// Returns the kind and its detail, as they are stored.
    #[must_use]
    pub const fn as_strs(self) -> (&'static str, Option<&'static str>) {
        let detail = match self {
            Self::Created | Self::Renewed | Self::SteppedUp => None,
            Self::Ended(reason) => Some(reason.as_str()),
            Self::RenewalFailed(failure) => Some(failure.as_str()),
        };
        (self.name().as_str(), detail)
    }

    /// Parses a kind and its detail as they are stored.
    #[must_use]
    pub fn parse(kind: &str, detail: Option<&str>) -> Option<Self> {
        match (kind, detail) {
            ("created", None) => Some(Self::Created),
            ("renewed", None) => Some(Self::Renewed),
            ("stepped_up", None) => Some(Self::SteppedUp),
            ("ended", Some(reason)) => EndReason::parse(reason).map(Self::Ended),
            ("renewal_failed", Some(failure)) => {
                RenewalFailure::parse(failure).map(Self::RenewalFailed)
            }
            _ => None,
        }
    }
}

impl RenewalFailure {
    pub(crate) const ALL: [Self; 4] =
        [Self::Misconfigured, Self::Refused, Self::Throttled, Self::Unavailable];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Misconfigured => "misconfigured",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.as_str() == name)
    }
}
