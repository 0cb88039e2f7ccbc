//! The session: one login in one browser or device, without its tokens.

mod authentication;
mod data;
mod device;
mod end;
mod id;
mod provider_logout;
mod secret;
mod serialize;

pub use authentication::Authentication;
pub(crate) use data::memory_of;
pub use data::{InvalidSessionData, SessionData};
pub use device::DeviceLabel;
pub use end::{EndCause, EndReason, Ended};
pub use id::{Actor, InvalidName, ProviderName, SessionId, Subject, UserId};
pub use provider_logout::ProviderLogout;
pub use secret::{RandomnessError, SecretDigest, SessionSecret};

use crate::clock::Timestamp;

/// How a session came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// A tool client connected; there is no cookie.
    Connection,
    /// Migrated from another system's table.
    Imported,
    /// A user signed in with a browser.
    Login,
}

impl Origin {
    /// Returns the name under which the origin is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Imported => "imported",
            Self::Login => "login",
        }
    }

    /// Returns the origin with this name, or `None` if there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Connection, Self::Imported, Self::Login].into_iter().find(|o| o.as_str() == name)
    }
}

/// One login in one browser or device, or one connection of a tool client.
///
/// It holds no token and no secret, so that a list of sessions can be shown to the user.
///
/// ```
/// use session_core::session::{DeviceLabel, Origin};
/// use session_core::{ProviderName, Session, SessionId, Timestamp, UserId};
///
/// let now = Timestamp::from_millis(1_700_000_000_000);
/// let (ann, okta) = (UserId::new("ann").unwrap(), ProviderName::new("okta").unwrap());
/// let session = Session::new(SessionId::generate(now), ann, okta, Origin::Login, now)
///     .with_device(DeviceLabel::new("Firefox on Linux"));
/// assert!(session.is_live());
/// assert_eq!(session.last_seen_at, now);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// The public id.
    pub id: SessionId,
    /// The user.
    pub user: UserId,
    /// The OAuth client registration that it was made with.
    pub provider: ProviderName,
    /// The identity of the user at the provider.
    pub identity: ProviderIdentity,
    /// When and how the user authenticated at the provider.
    pub authentication: Authentication,
    /// The label by which the user recognises the device.
    pub device: DeviceLabel,
    /// How it came to be.
    pub origin: Origin,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, exact to the policy's touch interval.
    pub last_seen_at: Timestamp,
    /// The start of the absolute timeout: the creation, or the migration of a migrated session.
    pub timeouts_from: Timestamp,
    /// When its tokens were last renewed.
    pub renewed_at: Option<Timestamp>,
    /// The row's counter, raised by each write that changes what a request sees.
    pub revision: u64,
    /// When and why it ended; `None` while it is live.
    pub ended: Option<Ended>,
}

impl Session {
    /// Creates a live session that begins at `now`, with its first revision, an unknown identity
    /// and an unknown device.
    #[must_use]
    pub fn new(
        id: SessionId,
        user: UserId,
        provider: ProviderName,
        origin: Origin,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            user,
            provider,
            identity: ProviderIdentity::default(),
            authentication: Authentication::default(),
            device: DeviceLabel::default(),
            origin,
            created_at: now,
            last_seen_at: now,
            timeouts_from: now,
            renewed_at: None,
            revision: 1,
            ended: None,
        }
    }

    /// Sets who signed the user in, as whom.
    #[must_use]
    pub fn with_identity(mut self, identity: ProviderIdentity) -> Self {
        self.identity = identity;
        self
    }

    /// Sets when and how the user authenticated.
    #[must_use]
    pub fn with_authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Sets the label of the device.
    #[must_use]
    pub fn with_device(mut self, device: DeviceLabel) -> Self {
        self.device = device;
        self
    }

    /// Sets the time of the creation alone; the timeouts still count from the beginning.
    #[must_use]
    pub const fn with_created_at(mut self, created_at: Timestamp) -> Self {
        self.created_at = created_at;
        self
    }

    /// Sets when the tokens were last renewed.
    #[must_use]
    pub const fn with_renewed_at(mut self, renewed_at: Option<Timestamp>) -> Self {
        self.renewed_at = renewed_at;
        self
    }

    /// Returns when the tokens of a tool client's connection were last renewed, or when it was
    /// created; `None` for every other session.
    #[must_use]
    pub fn connection_renewed_at(&self) -> Option<Timestamp> {
        let is_connection = self.origin == Origin::Connection;
        is_connection.then(|| self.renewed_at.unwrap_or(self.created_at))
    }

    /// Returns whether the session was not ended. It may have reached a timeout all the same: ask
    /// the policy.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.ended.is_none()
    }
}

/// The identity of a user at the provider: issuer, subject and session (OpenID Connect).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ProviderIdentity {
    /// The issuer (`iss`).
    pub issuer: Option<String>,
    /// The subject (`sub`); unknown for migrated sessions without an ID token.
    pub subject: Option<Subject>,
    /// The provider's own session (`sid`).
    pub sid: Option<String>,
    /// The provider's account id where it is not the subject.
    pub account: Option<String>,
}

impl ProviderIdentity {
    /// Returns what a cap counts by beside user and provider: the subject, or else the account id.
    ///
    /// An account id counts like a subject of the same text. Sessions of a user and provider for
    /// which neither is known are counted together.
    ///
    /// ```
    /// use session_core::session::{ProviderIdentity, Subject};
    ///
    /// let account = Some("248289761001".to_owned());
    /// let identity = ProviderIdentity { account, ..ProviderIdentity::default() };
    /// assert_eq!(identity.cap_subject(), Some(Subject::new("248289761001").unwrap()));
    /// let identity = ProviderIdentity { subject: Some(Subject::new("ann").unwrap()), ..identity };
    /// assert_eq!(identity.cap_subject(), identity.subject);
    /// ```
    #[must_use]
    pub fn cap_subject(&self) -> Option<Subject> {
        let of_account = || Subject::new(self.account.as_ref()?).ok();
        self.subject.clone().or_else(of_account)
    }

    /// Removes values that no column can hold: an unusual `sid` must not keep users from signing
    /// in, and no logout at the provider could match it anyway.
    pub(crate) fn storable(self) -> Self {
        let storable = |text: Option<String>| text.filter(|text| id::is_name(text));
        Self {
            issuer: storable(self.issuer),
            subject: self.subject,
            sid: storable(self.sid),
            account: storable(self.account),
        }
    }
}
