//! The tokens that were carried out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use session_core::Timestamp;

/// The ids of tokens that were carried out, until each of them is too old (B5).
#[derive(Debug, Default)]
pub(super) struct KnownTokens(Mutex<HashMap<TokenKey, Timestamp>>);

/// The issuer of a token, and its own id.
type TokenKey = (String, String);

impl KnownTokens {
    pub(super) fn contains(&self, issuer: &str, id: &str) -> bool {
        self.locked().contains_key(&key(issuer, id))
    }

    /// Remembers a token, and returns whether it was not known.
    pub(super) fn add(&self, issuer: &str, id: &str, until: Timestamp, now: Timestamp) -> bool {
        let mut known = self.locked();
        known.retain(|_, until| now < *until);
        known.insert(key(issuer, id), until).is_none()
    }

    /// Forgets a token whose effect failed, so that it is carried out when it comes again.
    pub(super) fn remove(&self, issuer: &str, id: &str) {
        self.locked().remove(&key(issuer, id));
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<TokenKey, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(issuer: &str, id: &str) -> TokenKey {
    (issuer.to_owned(), id.to_owned())
}
