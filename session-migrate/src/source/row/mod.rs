//! What is known of one token set of a source.

mod key;
mod tokens;

use std::fmt;

use session_core::Timestamp;
use zeroize::Zeroizing;

pub use key::SourceKey;
pub(crate) use tokens::scope_of_text;
pub use tokens::{OpenedTokens, Unreadable, UnreadableReason};

use crate::source::mapping::NewestBy;
use crate::sql::Cell;

/// One token set of a source, opened as far as it can be.
///
/// # Security
///
/// `Debug` prints no token, no cookie and no stored value.
#[derive(Clone)]
#[non_exhaustive]
pub struct SourceRow {
    /// What tells the row from the others of its mapping.
    pub key: SourceKey,
    /// The application's id of the user; `None` where the column is `NULL` or no text.
    pub user: Option<String>,
    /// The provider's name; `None` where the column is `NULL` or no text.
    pub provider: Option<String>,
    /// By what the provider knows the account.
    pub account: Option<String>,
    /// Whether a parent's row is missing: the user, say, is gone.
    pub is_orphan: bool,
    /// The value of the cookie that points at the row. None where the provider's rows have none,
    /// the row is an orphan, or its tokens did not open.
    pub cookie: Option<Zeroizing<String>>,
    /// The tokens, or why there are none.
    pub tokens: RowTokens,
    /// When the access token expires.
    pub expires_at: Option<Timestamp>,
    /// What was stored for that.
    pub expiry: Expiry,
    /// When the row came to be.
    pub created_at: Option<Timestamp>,
    /// When the tokens were last renewed.
    pub renewed_at: Option<Timestamp>,
    /// When the tokens were last used.
    pub used_at: Option<Timestamp>,
    /// Who signed the person in.
    pub issuer: Option<String>,
    /// As whom.
    pub subject: Option<String>,
    /// In which session at the provider.
    pub sid: Option<String>,
    /// Every mapped column as it is stored, to be set aside or restored as it was.
    pub stored: Vec<StoredColumn>,
}

impl SourceRow {
    /// The moment that makes it the newer row of two.
    #[must_use]
    pub const fn moment(&self, newest_by: Option<NewestBy>) -> Option<Timestamp> {
        match newest_by {
            None => None,
            Some(NewestBy::Created) => self.created_at,
            Some(NewestBy::Renewed) => self.renewed_at,
            Some(NewestBy::Used) => self.used_at,
        }
    }
}

/// A mapped column and what is in it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredColumn {
    /// The column's name.
    pub column: String,
    /// The name of the join whose table it belongs to.
    pub join: Option<String>,
    /// Its value.
    pub cell: Cell,
}

/// The tokens of a row, or why there are none.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RowTokens {
    /// The tokens.
    Opened(OpenedTokens),
    /// The row holds neither an access nor a refresh token.
    Absent,
    /// They do not open.
    Unreadable(Unreadable),
}

impl RowTokens {
    /// Whether there are some, and they do not open.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }

    /// The tokens, if they opened.
    #[must_use]
    pub const fn opened(&self) -> Option<&OpenedTokens> {
        match self {
            Self::Opened(tokens) => Some(tokens),
            _ => None,
        }
    }
}

/// What a row says of its access token's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Expiry {
    /// Nothing.
    Absent,
    /// A moment, in the column's own class.
    Known,
    /// A moment, in a number with a fraction's storage class.
    Real,
    /// Something that is no moment, such as text in a column of numbers.
    Odd,
}

impl fmt::Debug for SourceRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceRow")
            .field("user", &self.user)
            .field("provider", &self.provider)
            .field("is_orphan", &self.is_orphan)
            .field("has_cookie", &self.cookie.is_some())
            .field("tokens", &self.tokens)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
