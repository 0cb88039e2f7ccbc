//! The session: one login in one browser or device, and nothing of its tokens.

mod device;
mod end;
mod id;
mod secret;

pub use device::DeviceLabel;
pub use end::{EndReason, Ended};
pub use id::{InvalidName, ProviderName, SessionId, Subject, UserId};
pub use secret::{RandomnessError, SecretDigest, SessionSecret};

use crate::clock::Timestamp;

/// How a session came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// A tool client connected: there is no cookie.
    Connection,
    /// Moved here from another system's table.
    Imported,
    /// A person signed in with a browser.
    Login,
}

impl Origin {
    /// The origin's name, as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Imported => "imported",
            Self::Login => "login",
        }
    }

    /// The origin with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Connection, Self::Imported, Self::Login].into_iter().find(|o| o.as_str() == name)
    }
}

/// One login in one browser or device, or one connection of a tool client.
///
/// Plain values; a list of these can be shown to the user, for there is no token in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The public id.
    pub id: SessionId,
    /// Whose session it is.
    pub user: UserId,
    /// Which client registration it was made with.
    pub provider: ProviderName,
    /// Who the provider says the person is.
    pub identity: ProviderIdentity,
    /// What the person recognises the device by.
    pub device: DeviceLabel,
    /// How it came to be.
    pub origin: Origin,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, exact to the policy's touch interval.
    pub last_seen_at: Timestamp,
    /// From when the absolute timeout counts (the creation, or the import of a moved row).
    pub timeouts_from: Timestamp,
    /// When its tokens were last renewed.
    pub renewed_at: Option<Timestamp>,
    /// The row's counter, raised by each write that changes what a request sees.
    pub revision: u64,
    /// When and why it ended; `None` while it lives.
    pub ended: Option<Ended>,
}

impl Session {
    /// Whether nobody ended it. It may have timed out all the same: ask the policy.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.ended.is_none()
    }
}

/// Who signed the person in, as whom, in which session at the provider (OpenID Connect).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ProviderIdentity {
    /// The issuer (`iss`).
    pub issuer: Option<String>,
    /// The subject (`sub`); unknown for moved rows without an ID token.
    pub subject: Option<Subject>,
    /// The provider's own session (`sid`).
    pub sid: Option<String>,
    /// The provider's account id where it is not the subject.
    pub account: Option<String>,
}

impl ProviderIdentity {
    /// What a cap counts by, beside user and provider: the subject, else the account id.
    ///
    /// An account id counts as a subject of the same text does. Neither is known: all such sessions
    /// of a user and provider are one partition.
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

    /// This identity without what no column takes: a provider's strange `sid` must not keep its
    /// people from signing in, and could be matched by no sign-out at the provider anyway.
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
