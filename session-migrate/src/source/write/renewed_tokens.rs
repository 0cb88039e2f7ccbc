//! The tokens that are written back.

use std::fmt;

use session_core::Timestamp;
use session_core::token::ExtraFields;
use zeroize::Zeroizing;

/// The tokens of a source's row after a rollback.
///
/// # Security
///
/// `Debug` prints no token and no other field; the tokens are wiped on drop.
#[derive(Clone)]
pub struct RenewedTokens {
    /// The access token.
    pub access: Zeroizing<String>,
    /// The refresh token; without one, the row has none afterwards either.
    pub refresh: Option<Zeroizing<String>>,
    /// The ID token; without one, the row has none afterwards either.
    pub id: Option<Zeroizing<String>>,
    /// The granted scope, separated by spaces; without one, the row has none afterwards either.
    pub scope: Option<String>,
    /// The token's type; without one, the row keeps its own.
    pub token_type: Option<String>,
    /// The other fields of the token response. Further fields of a stored response stay, and times
    /// among them follow from the two below.
    pub extra: ExtraFields,
    /// When the access token expires; without it, the row's expiry is cleared where its columns
    /// allow it.
    pub expires_at: Option<Timestamp>,
    /// When the tokens were renewed.
    pub renewed_at: Timestamp,
}

impl RenewedTokens {
    /// Returns no tokens, for the row of a session that has ended.
    pub(crate) fn none(now: Timestamp) -> Self {
        Self {
            access: Zeroizing::default(),
            refresh: None,
            id: None,
            scope: None,
            token_type: None,
            extra: ExtraFields::default(),
            expires_at: None,
            renewed_at: now,
        }
    }
}

impl fmt::Debug for RenewedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenewedTokens")
            .field("has_refresh", &self.refresh.is_some())
            .field("has_id", &self.id.is_some())
            .field("expires_at", &self.expires_at)
            .field("renewed_at", &self.renewed_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use session_core::Timestamp;
    use zeroize::Zeroizing;

    use super::RenewedTokens;

    #[test]
    fn debug_prints_no_token() {
        let secret = || Zeroizing::new("hunter2".to_owned());
        let tokens = RenewedTokens {
            access: secret(),
            refresh: Some(secret()),
            id: Some(secret()),
            scope: Some("hunter2".to_owned()),
            token_type: None,
            extra: serde_json::from_str(r#"{"hunter2": "hunter2"}"#).unwrap(),
            expires_at: None,
            renewed_at: Timestamp::from_millis(0),
        };
        assert!(!format!("{tokens:?}").contains("hunter2"));
    }
}
