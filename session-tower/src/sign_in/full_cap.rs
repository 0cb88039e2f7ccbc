//! A sign-in that the cap refused, and the choice that its user gets.

use serde::{Deserialize, Serialize};
use session_core::policy::authentication::RequiredAuthentication;
use session_core::session::ProviderIdentity;
use session_core::store::Partition;
use session_core::{ProviderName, Session, Timestamp, UserId};

use super::pending_cookies::PendingRecord;

/// The beginning of the names of the cookies of a choice.
pub(super) const PREFIX: &str = "full-cap-";

/// How many choices a browser may have open: a new one takes the place of the one before.
pub(super) const MAX_OPEN: usize = 1;

/// A sign-in that the cap refused.
#[derive(Debug)]
pub(super) struct FullCap {
    pub(super) user: UserId,
    pub(super) provider: ProviderName,
    pub(super) identity: ProviderIdentity,
    /// What it asked for, as the login takes it.
    pub(super) query: String,
}

/// A choice that this browser may make: for the user who has just authenticated in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// What the form must repeat.
    pub(super) choice: String,
    pub(super) user: String,
    /// What the cap counts over: only what fills it is ended.
    partition: [u8; 32],
    /// The sign-in to go on with.
    pub(super) query: String,
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

impl Choice {
    pub(super) fn new(full: &FullCap, choice: String, now: Timestamp) -> Self {
        let subject = full.identity.cap_subject();
        let partition = Partition::of(&full.user, &full.provider, subject.as_ref());
        Self {
            choice,
            user: full.user.as_str().to_owned(),
            partition: *partition.as_bytes(),
            query: full.query.clone(),
            offered_at: now.as_millis(),
        }
    }

    /// Returns whether this session fills the cap, however it came to be.
    pub(super) fn offers(&self, session: &Session) -> bool {
        Partition::of_session(session) == Partition::from_bytes(self.partition)
    }
}

/// Writes what a sign-in asked for as the query of the login.
pub(super) fn query_of(
    provider: &str,
    return_to: &str,
    required: &RequiredAuthentication,
    scope: Option<String>,
) -> String {
    let max_age = required.max_age().map(|age| age.as_secs().to_string());
    let asked = [("max_age", max_age), ("acr_values", required.acr_values()), ("scope", scope)];
    let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value?)));
    form_urlencoded::Serializer::new(String::new())
        .append_pair("provider", provider)
        .append_pair("return_to", return_to)
        .extend_pairs(asked)
        .finish()
}
