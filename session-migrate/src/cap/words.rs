//! The settings of a cap that are written as words, on the command line and in files.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::source::NewestBy;

/// What a cap counts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PartitionBy {
    /// User and provider.
    #[serde(rename = "user,provider")]
    Provider,
    /// User, provider and subject, or the account id where the subject is not known. Rows of a user
    /// and provider with neither form a partition of their own.
    #[default]
    #[serde(rename = "user,provider,account")]
    Account,
}

/// Which rows a cap counts, and which come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Count {
    /// Usable rows come first: a row that does not open, or whose user is gone, never displaces one
    /// that works.
    #[default]
    Usable,
    /// All rows count the same, as in Open WebUI.
    All,
}

/// A text that is not one of the accepted values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not one of {known}")]
pub struct UnknownWord {
    word: String,
    known: &'static str,
}

/// The cap orders rows by a time that the mapping does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mapping has no `{}`, so rows cannot be ranked by it", name(*.0))]
pub struct MissingMoment(pub(super) NewestBy);

const fn name(by: NewestBy) -> &'static str {
    match by {
        NewestBy::Created => "created",
        NewestBy::Renewed => "renewed",
        NewestBy::Used => "used",
    }
}

impl PartitionBy {
    /// Returns the value as it is written on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "user,provider",
            Self::Account => "user,provider,account",
        }
    }
}

impl Count {
    /// Returns the value as it is written on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::All => "all",
        }
    }
}

impl FromStr for PartitionBy {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let known = "`user,provider` and `user,provider,account`";
        let found = [Self::Provider, Self::Account].into_iter().find(|word| word.as_str() == text);
        found.ok_or_else(|| UnknownWord { word: text.to_owned(), known })
    }
}

impl FromStr for Count {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = [Self::Usable, Self::All].into_iter().find(|word| word.as_str() == text);
        found.ok_or_else(|| UnknownWord { word: text.to_owned(), known: "`usable` and `all`" })
    }
}

impl fmt::Display for PartitionBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, PartitionBy};

    #[test]
    fn values_are_parsed_from_their_text() {
        for word in [PartitionBy::Provider, PartitionBy::Account] {
            assert_eq!(word.to_string().parse(), Ok(word));
            assert_eq!(serde_json::to_value(word).unwrap(), word.as_str());
        }
        for word in [Count::Usable, Count::All] {
            assert_eq!(word.to_string().parse(), Ok(word));
            assert_eq!(serde_json::to_value(word).unwrap(), word.as_str());
        }
        let error = "user, provider".parse::<PartitionBy>().unwrap_err();
        assert!(error.to_string().contains("\"user, provider\" is not one of `user,provider`"));
    }
}
