//! A cap's settings.

use std::fmt;
use std::num::NonZeroU32;

use session_core::policy::{Limit, OnFull};
use session_core::{ProviderName, SessionPolicy};

use super::words::{Count, MissingMoment, PartitionBy};
use crate::source::{Mapping, NewestBy};

/// How many rows of each partition are kept, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Cap {
    limits: Limits,
    partition: PartitionBy,
    newest_by: Option<NewestBy>,
    count: Count,
    file: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Limits {
    /// One limit for every provider.
    Every(Limit),
    /// The limit of each provider, as at login.
    Policy(Box<SessionPolicy>),
}

impl Cap {
    const fn new(limits: Limits) -> Self {
        Self {
            limits,
            partition: PartitionBy::Account,
            newest_by: None,
            count: Count::Usable,
            file: None,
        }
    }

    /// Creates a cap without a limit: every row is kept.
    pub const fn none() -> Self {
        Self::new(Limits::Every(Limit::Unlimited))
    }

    /// Creates a cap of `max` rows in each partition, for every provider.
    pub const fn max_sessions(max: NonZeroU32) -> Self {
        Self::new(Limits::Every(Limit::AtMost { max, on_full: OnFull::EvictOldest }))
    }

    /// Creates a cap with the limits that the policy gives each provider.
    pub fn from_policy(policy: SessionPolicy) -> Self {
        Self::new(Limits::Policy(Box::new(policy)))
    }

    /// Sets what the cap counts over; by default user, provider and account.
    pub const fn partition(mut self, partition: PartitionBy) -> Self {
        self.partition = partition;
        self
    }

    /// Sets the time by which rows are ordered; by default the mapping's `newest_by`.
    pub const fn newest_by(mut self, newest_by: NewestBy) -> Self {
        self.newest_by = Some(newest_by);
        self
    }

    /// Sets which rows count; by default usable rows come first.
    pub const fn count(mut self, count: Count) -> Self {
        self.count = count;
        self
    }

    /// Returns the limit of a partition of this provider.
    #[must_use]
    pub fn limit(&self, provider: &ProviderName) -> Limit {
        match &self.limits {
            Limits::Every(limit) => *limit,
            Limits::Policy(policy) => policy.limit(provider),
        }
    }

    /// Returns what the cap counts over.
    #[must_use]
    pub const fn partition_by(&self) -> PartitionBy {
        self.partition
    }

    /// Returns which rows count.
    #[must_use]
    pub const fn counted(&self) -> Count {
        self.count
    }

    /// Returns the time by which the rows of this mapping are ordered, or `None` if only the key
    /// orders them.
    ///
    /// # Errors
    ///
    /// Returns [`MissingMoment`] if the mapping does not have the time that the cap asks for.
    pub fn moment(&self, mapping: &Mapping) -> Result<Option<NewestBy>, MissingMoment> {
        let Some(by) = self.newest_by else { return Ok(mapping.newest_by) };
        let is_there = match by {
            NewestBy::Created => mapping.created.is_some(),
            NewestBy::Renewed => mapping.renewed.is_some(),
            NewestBy::Used => mapping.used.is_some(),
        };
        if is_there { Ok(Some(by)) } else { Err(MissingMoment(by)) }
    }

    /// Keeps the text of the policy file that the limits were read from.
    pub(super) fn with_file(mut self, text: &str) -> Self {
        self.file = Some(text.to_owned());
        self
    }

    /// Returns the text of the policy file that the limits were read from.
    pub(super) fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Returns the time that was set by [`newest_by`](Self::newest_by).
    pub(super) const fn newest(&self) -> Option<NewestBy> {
        self.newest_by
    }

    /// Returns the one limit of all providers, or `None` if a policy decides by provider.
    pub(crate) const fn uniform(&self) -> Option<Limit> {
        match &self.limits {
            Limits::Every(limit) => Some(*limit),
            Limits::Policy(_) => None,
        }
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.limits {
            Limits::Every(Limit::Unlimited) => return f.write_str("no cap"),
            Limits::Every(Limit::AtMost { max, .. }) => write!(f, "at most {max}")?,
            Limits::Every(_) => f.write_str("one")?,
            Limits::Policy(_) => f.write_str("as many as the policy file says")?,
        }
        let over = match self.partition {
            PartitionBy::Provider => "user and provider",
            PartitionBy::Account => "user, provider and account",
        };
        let counted = match self.count {
            Count::Usable => "usable rows first",
            Count::All => "all rows alike",
        };
        write!(f, " for each {over}, {counted}")
    }
}

#[cfg(test)]
mod tests {
    use super::Cap;
    use crate::source::{Mappings, NewestBy};

    #[test]
    fn ranking_by_a_time_that_the_mapping_does_not_have_is_refused() {
        let text = r#"
            [[mapping]]
            table = "t"
            key = ["id"]
            user = { column = "u" }
            provider = { column = "p" }
            tokens.access = { column = "a" }
            created = { column = "c", unit = "s" }
            used = { column = "s", unit = "s" }
            newest_by = "created"
        "#;
        let mapping = &Mappings::from_toml(text).unwrap().mapping[0];
        assert_eq!(Cap::none().moment(mapping), Ok(Some(NewestBy::Created)));
        let used = Cap::none().newest_by(NewestBy::Used);
        assert_eq!(used.moment(mapping), Ok(Some(NewestBy::Used)));
        let renewed = Cap::none().newest_by(NewestBy::Renewed);
        let error = renewed.moment(mapping).unwrap_err().to_string();
        assert_eq!(error, "the mapping has no `renewed`, so rows cannot be ranked by it");
    }
}
