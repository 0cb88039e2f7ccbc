//! A sign-in that the cap refused, and the choice that its user gets.

use serde::{Deserialize, Serialize};
use session_core::manager::ListedSession;
use session_core::session::ProviderIdentity;
use session_core::store::Partition;
use session_core::{ProviderName, Timestamp, UserId};

use super::pending_cookies::PendingRecord;

/// The beginning of the names of the cookies of a choice.
pub(super) const PREFIX: &str = "full-cap-";

/// A sign-in that the cap refused.
#[derive(Debug)]
pub(super) struct FullCap {
    pub(super) user: UserId,
    pub(super) provider: ProviderName,
    pub(super) identity: ProviderIdentity,
    pub(super) return_to: String,
}

/// A choice that this browser may make: for the user who has just authenticated in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// What the form must repeat.
    pub(super) choice: String,
    pub(super) user: String,
    pub(super) provider: String,
    pub(super) return_to: String,
    offered_at: i64,
}

impl PendingRecord for Choice {
    fn state(&self) -> &str {
        &self.choice
    }

    fn started_at(&self) -> i64 {
        self.offered_at
    }
}

impl FullCap {
    /// Returns whether this session counts to the cap, however it came to be.
    pub(super) fn counts(&self, listed: &ListedSession) -> bool {
        let subject = self.identity.cap_subject();
        let partition = Partition::of(&self.user, &self.provider, subject.as_ref());
        Partition::of_session(&listed.session) == partition
    }
}

impl Choice {
    pub(super) fn new(full: &FullCap, choice: String, now: Timestamp) -> Self {
        Self {
            choice,
            user: full.user.as_str().to_owned(),
            provider: full.provider.as_str().to_owned(),
            return_to: full.return_to.clone(),
            offered_at: now.as_millis(),
        }
    }
}
