//! The facts about a row that its rank depends on.

use session_core::{ProviderName, Timestamp, UserId};

use super::key::RankKey;
use super::settings::Cap;
use super::words::{Count, MissingMoment, PartitionBy};
use crate::source::mapping::TokenSource;
use crate::source::{Mapping, NewestBy, RowTokens, SourceRow};

/// The facts about a row that its rank depends on.
///
/// # Security
///
/// A row's key can be a cookie: `Debug` does not print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The application's id of the user.
    pub user: String,
    /// The provider's name.
    pub provider: String,
    /// The subject or the account id; `None` where neither is known, or where the cap counts over
    /// user and provider only.
    pub account: Option<String>,
    /// The OAuth client, where a provider has several; `None` as for the account.
    pub client: Option<String>,
    /// Whether the row's tokens open and belong to a user who still exists.
    pub is_usable: bool,
    /// The time by which rows are ordered; a row without one is the oldest.
    pub newest: Option<Timestamp>,
    /// The row's key, which decides between rows with the same time.
    pub key: RankKey,
}

/// Reads [`Candidate`]s from the rows of one mapping.
#[derive(Debug, Clone)]
pub struct CandidateReader {
    partition: PartitionBy,
    count: Count,
    newest_by: Option<NewestBy>,
    /// The columns in which a value means that the row holds tokens, even if they do not open.
    sealed: Vec<TokenSource>,
}

impl CandidateReader {
    /// Creates a reader for the rows of `mapping` under `cap`.
    ///
    /// # Errors
    ///
    /// Returns [`MissingMoment`] if the cap ranks rows by a time that the mapping does not have.
    pub fn new(cap: &Cap, mapping: &Mapping) -> Result<Self, MissingMoment> {
        let tokens = &mapping.tokens;
        let parts = [&tokens.access, &tokens.refresh];
        let parts = parts.into_iter().flatten().filter(|place| place.path.is_empty());
        let sealed = tokens.response.iter().chain(parts).cloned().collect();
        let newest_by = cap.moment(mapping)?;
        Ok(Self { partition: cap.partition_by(), count: cap.counted(), newest_by, sealed })
    }

    /// Returns the candidate for a row, or `None` if the row does not count in any partition.
    ///
    /// A row without a user, a provider or tokens does not count. With [`Count::All`], any value
    /// that is stored in a token column counts as tokens, so that counting needs no decryption key.
    #[must_use]
    pub fn candidate(&self, row: &SourceRow) -> Option<Candidate> {
        if !self.has_tokens(row) {
            return None;
        }
        let (user, provider) = (row.user.clone()?, row.provider.clone()?);
        let are_names = UserId::new(&user).is_ok() && ProviderName::new(&provider).is_ok();
        Some(Candidate {
            is_usable: row.tokens.opened().is_some() && !row.is_orphan && are_names,
            account: self.account(row),
            client: self.client(row),
            newest: self.newest(row),
            key: RankKey::from(&row.key),
            user,
            provider,
        })
    }

    fn has_tokens(&self, row: &SourceRow) -> bool {
        if !matches!(row.tokens, RowTokens::Absent) {
            return true;
        }
        self.count == Count::All
            && self.sealed.iter().any(|place| {
                let is_place = |column: &str, join: Option<&str>| {
                    column == place.column && join == place.join.as_deref()
                };
                let mut stored = row.stored.iter();
                stored.any(|it| is_place(&it.column, it.join.as_deref()) && !it.cell.is_empty())
            })
    }

    fn account(&self, row: &SourceRow) -> Option<String> {
        match self.partition {
            PartitionBy::Provider => None,
            PartitionBy::Account => known(&row.subject).or_else(|| known(&row.account)),
        }
    }

    fn client(&self, row: &SourceRow) -> Option<String> {
        known(&row.client).filter(|_| self.partition == PartitionBy::Account)
    }

    const fn newest(&self, row: &SourceRow) -> Option<Timestamp> {
        match self.newest_by {
            None => None,
            Some(NewestBy::Created) => row.created_at,
            Some(NewestBy::Renewed) => row.renewed_at,
            Some(NewestBy::Used) => row.used_at,
        }
    }
}

fn known(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}
