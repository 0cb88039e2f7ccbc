//! A token set in its parts, for tokens that another system received.

use std::fmt;

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// All that a token set holds, each part by its name.
///
/// # Security
///
/// `Debug` prints no token, no scope and no unknown field, and the tokens are wiped on drop.
///
/// ```
/// use session_core::Timestamp;
/// use session_core::token::TokenParts;
///
/// let mut parts = TokenParts::new("at-1", Timestamp::from_millis(0));
/// parts.extra.insert("key".to_owned(), "sk-1".into());
/// let shown = format!("{parts:?}");
/// assert!(!shown.contains("at-1") && !shown.contains("sk-1"));
/// ```
#[derive(Clone)]
pub struct TokenParts {
    /// The access token.
    pub access_token: SecretString,
    /// The refresh token.
    pub refresh_token: Option<SecretString>,
    /// The ID token.
    pub id_token: Option<SecretString>,
    /// How the access token is to be used.
    pub token_type: Option<String>,
    /// The granted scope, parted by spaces.
    pub scope: Option<String>,
    /// When the tokens were received.
    pub received_at: Timestamp,
    /// When the access token expires; `None` if it does not.
    pub expires_at: Option<Timestamp>,
    /// All other fields of the token response.
    pub extra: Map<String, Value>,
}

impl TokenParts {
    /// An access token that was received at this moment, and nothing else.
    #[must_use]
    pub fn new(access_token: impl Into<String>, received_at: Timestamp) -> Self {
        Self {
            access_token: SecretString::from(access_token.into()),
            refresh_token: None,
            id_token: None,
            token_type: None,
            scope: None,
            received_at,
            expires_at: None,
            extra: Map::new(),
        }
    }
}

impl fmt::Debug for TokenParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenParts")
            .field("received_at", &self.received_at)
            .field("expires_at", &self.expires_at)
            .field("has_refresh_token", &self.refresh_token.is_some())
            .field("has_id_token", &self.id_token.is_some())
            .finish_non_exhaustive()
    }
}
