//! One token set of a source.

mod key;
mod tokens;

use std::fmt;

use session_core::{ProviderName, Timestamp, UserId};
use zeroize::Zeroizing;

pub use key::SourceKey;
pub(crate) use tokens::scope_of_text;

/// The code for a row whose user or provider cannot be those of a session.
pub(crate) const NO_NAME: &str = "no_name";

pub use tokens::{OpenedTokens, Unreadable, UnreadableReason};

use crate::source::mapping::NewestBy;
use crate::sql::Cell;

/// One token set of a source, decrypted as far as possible.
///
/// # Security
///
/// `Debug` prints no token, no cookie and no stored value.
#[derive(Clone)]
#[non_exhaustive]
pub struct SourceRow {
    /// The key that identifies the row within its mapping.
    pub key: SourceKey,
    /// The application's id of the user; `None` where the column is `NULL` or not text.
    pub user: Option<String>,
    /// The provider's name; `None` where the column is `NULL` or not text.
    pub provider: Option<String>,
    /// The provider's id of the account.
    pub account: Option<String>,
    /// The OAuth client that the tokens were issued to.
    pub client: Option<String>,
    /// Whether a parent row is missing, for example because the user was deleted.
    pub is_orphan: bool,
    /// The value of the cookie that refers to the row. None where the provider's rows have none,
    /// the row is an orphan, or its tokens could not be decrypted.
    pub cookie: Option<Zeroizing<String>>,
    /// The tokens, or why there are none.
    pub tokens: RowTokens,
    /// When the access token expires.
    pub expires_at: Option<Timestamp>,
    /// What the row stores for its expiry.
    pub expiry: Expiry,
    /// When the row was created.
    pub created_at: Option<Timestamp>,
    /// When the tokens were last renewed.
    pub renewed_at: Option<Timestamp>,
    /// When the tokens were last used.
    pub used_at: Option<Timestamp>,
    /// The issuer that signed the user in.
    pub issuer: Option<String>,
    /// The issuer's id of the user.
    pub subject: Option<String>,
    /// The provider's id of its session.
    pub sid: Option<String>,
    /// Every mapped column as it is stored, for quarantine and for a rollback.
    pub stored: Vec<StoredColumn>,
}

impl SourceRow {
    /// Returns the user and the provider, if both are known and can be those of a session.
    pub(crate) fn owner(&self) -> Option<(UserId, ProviderName)> {
        let user = UserId::new(self.user.as_deref()?).ok()?;
        Some((user, ProviderName::new(self.provider.as_deref()?).ok()?))
    }

    /// Returns the time that decides which of two rows is newer.
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

/// A mapped column and its value.
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
    /// The tokens could not be decrypted.
    Unreadable(Unreadable),
}

impl RowTokens {
    /// Returns whether there are tokens that could not be decrypted.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }

    /// Returns the tokens, if they could be decrypted.
    #[must_use]
    pub const fn opened(&self) -> Option<&OpenedTokens> {
        match self {
            Self::Opened(tokens) => Some(tokens),
            _ => None,
        }
    }
}

/// What a row stores for its access token's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Expiry {
    /// Nothing.
    Absent,
    /// A time, in the column's own class.
    Known,
    /// A time, as a floating-point number.
    Real,
    /// A value that is not a time, such as text in a column of numbers.
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
