//! What a provider reports as over.

use super::id::{Subject, UserId};
use crate::clock::Timestamp;

/// The sessions that a provider reports as over: browser sessions of its own users, which match
/// everything that is named here. If nothing is named, none matches.
///
/// ```
/// use session_core::session::{ProviderLogout, Subject};
///
/// let nothing = ProviderLogout::new("https://id.example");
/// assert!(nothing.is_empty());
/// let ann = nothing.with_subject(Subject::new("248289761001").unwrap());
/// assert!(!ann.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderLogout {
    /// The issuer.
    pub issuer: String,
    /// The subject (`sub`).
    pub subject: Option<Subject>,
    /// The provider's own session (`sid`).
    pub sid: Option<String>,
    /// The application's id of the user, where the provider named it by an identifier of another kind.
    pub user: Option<UserId>,
    /// The end of the time in which the sessions were created.
    pub created_until: Option<Timestamp>,
}

impl ProviderLogout {
    /// Creates a report of this issuer that names no session.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        Self { issuer, subject: None, sid: None, user: None, created_until: None }
    }

    /// Names the sessions of a subject.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<Option<Subject>>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Names the sessions of one session at the provider.
    #[must_use]
    pub fn with_sid(mut self, sid: impl Into<Option<String>>) -> Self {
        self.sid = sid.into();
        self
    }

    /// Names the sessions of a user of the application.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<Option<UserId>>) -> Self {
        self.user = user.into();
        self
    }

    /// Leaves out sessions that were created later: a report that is delivered again must not end what
    /// the user has begun since.
    #[must_use]
    pub const fn created_until(mut self, moment: Timestamp) -> Self {
        self.created_until = Some(moment);
        self
    }

    /// Returns whether it names no session.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.subject.is_none() && self.sid.is_none() && self.user.is_none()
    }
}
