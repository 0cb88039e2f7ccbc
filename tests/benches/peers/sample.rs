//! The same data for every row: a user, and a token set as a provider issues it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_core::TokenResponse;

/// The value that the peer stores in a session.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) provider: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) id_token: String,
    pub(crate) scope: String,
    pub(crate) expires_at: i64,
}

impl Login {
    /// Creates a login with a JWT as access token, an opaque refresh token and a JWT as ID token,
    /// 2.9 KB in all.
    pub(crate) fn of(number: usize) -> Self {
        Self {
            user: format!("user-{number:06}"),
            provider: "okta".to_owned(),
            access_token: text("at", number, 1_400),
            refresh_token: text("rt", number, 120),
            id_token: text("it", number, 1_200),
            scope: "openid profile email offline_access".to_owned(),
            expires_at: i64::MAX / 2,
        }
    }

    pub(crate) fn response(&self) -> TokenResponse {
        TokenResponse::bearer(&*self.access_token)
            .with_refresh_token(&*self.refresh_token)
            .with_id_token(&*self.id_token)
            .with_scope(&*self.scope)
            .with_expires_in(Duration::from_secs(24 * 3600))
    }
}

/// Returns the size of a session's data as JSON, in bytes.
pub(crate) fn size() -> usize {
    serde_json::to_vec(&Login::of(0)).unwrap().len()
}

fn text(kind: &str, number: usize, length: usize) -> String {
    let mut text = format!("{kind}-{number:06}-");
    while text.len() < length {
        text.push(char::from(b'a' + ((text.len() * 7 + number) % 26) as u8));
    }
    text
}
