use session_core::{ProviderName, Timestamp, UserId};

use super::key::RankKey;
use super::settings::Cap;
use super::words::{Count, MissingMoment, PartitionBy};
use crate::source::{Mapping, NewestBy, RowTokens, SourceRow, mapping::TokenSource};

/// A row, as far as its rank depends on it.
///
/// # Security
///
/// `Debug` prints no key, which can be a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The application's id of the user.
    pub user: String,
    /// The provider's name.
    pub provider: String,
    /// What parts the pair further: subject or account id. `None` where neither is known, or the
    /// cap counts over pairs.
    pub account: Option<String>,
    /// Whether somebody can go on with the row's tokens.
    pub is_usable: bool,
    /// The moment that makes it newer than others; without one it is the oldest.
    pub newest: Option<Timestamp>,
    /// Decides between equal moments.
    pub key: RankKey,
}

/// Makes candidates of a mapping's rows.
#[derive(Debug, Clone)]
pub struct Candidates {
    partition: PartitionBy,
    count: Count,
    newest_by: Option<NewestBy>,
    /// Where a value means that the row was meant to have tokens, though none open.
    sealed: Vec<TokenSource>,
}

impl Candidates {
    /// For rows of this mapping under this cap.
    ///
    /// # Errors
    ///
    /// [`MissingMoment`] if rows are to be ranked by a moment that the mapping does not have.
    pub fn new(cap: &Cap, mapping: &Mapping) -> Result<Self, MissingMoment> {
        let tokens = &mapping.tokens;
        let parts = [&tokens.access, &tokens.refresh];
        let parts = parts.into_iter().flatten().filter(|place| place.path.is_empty());
        let sealed = tokens.response.iter().chain(parts).cloned().collect();
        let newest_by = cap.moment(mapping)?;
        Ok(Self { partition: cap.partition_by(), count: cap.counted(), newest_by, sealed })
    }

    /// The candidate that a row is; `None` if it holds no place in any partition.
    ///
    /// That is a row without a user or a provider, and one without tokens, which is no token set.
    /// Where all rows count alike, whatever is stored in the place of tokens is taken for some:
    /// counting needs no key then.
    #[must_use]
    pub fn of(&self, row: &SourceRow) -> Option<Candidate> {
        if !self.has_tokens(row) {
            return None;
        }
        let (user, provider) = (row.user.clone()?, row.provider.clone()?);
        let are_names = UserId::new(&user).is_ok() && ProviderName::new(&provider).is_ok();
        Some(Candidate {
            is_usable: row.tokens.opened().is_some() && !row.is_orphan && are_names,
            account: self.account(row),
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
        let known = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match self.partition {
            PartitionBy::Pair => None,
            PartitionBy::Account => known(&row.subject).or_else(|| known(&row.account)),
        }
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
