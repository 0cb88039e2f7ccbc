//! The logout tokens that were carried out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use session_core::Timestamp;
use session_core::provider::openid::LogoutToken;

/// The ids of logout tokens that were carried out, until each of them is too old (B5).
#[derive(Debug, Default)]
pub(super) struct KnownTokens(Mutex<HashMap<String, Timestamp>>);

impl KnownTokens {
    pub(super) fn contains(&self, token: &LogoutToken) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&Self::key(token))
    }

    pub(super) fn add(&self, token: &LogoutToken, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, expires_at| now < *expires_at);
        known.insert(Self::key(token), token.expires_at);
    }

    fn key(token: &LogoutToken) -> String {
        format!("{} {}", token.issuer, token.id)
    }
}
