//! What is said once of a provider, at the first sign-in that shows it, and not at each.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::session::ProviderName;
use crate::token::TokenSet;

/// How many notices are remembered; the names of tool servers can be many.
const MAX_NOTICES: usize = 1024;

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<HashSet<(ProviderName, Notice)>>);

/// What an operator should know of a provider's sessions before their access tokens expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Notice {
    /// No provider of that name was added to the manager.
    Unregistered,
    /// The access token expires, and there is no refresh token.
    NoRefreshToken,
}

impl Notices {
    /// Says what a sign-in shows: that its tokens will expire, and cannot be renewed.
    pub(super) fn report(&self, provider: &ProviderName, tokens: &TokenSet, is_registered: bool) {
        if tokens.expires_at().is_none() {
            return;
        }
        if tokens.refresh_token().is_none() && self.is_first(provider, Notice::NoRefreshToken) {
            tracing::warn!(
                %provider,
                "a sign-in brought no refresh token: its users must sign in again when the access \
                 token expires; OpenID Connect providers ask for the scope offline_access, some of \
                 them with prompt=consent, others for access_type=offline"
            );
        }
        if !is_registered && self.is_first(provider, Notice::Unregistered) {
            tracing::warn!(
                %provider,
                "a sign-in names a provider that was not added to the manager: its tokens are not \
                 renewed"
            );
        }
    }

    /// Returns whether a notice is due, and remembers it.
    fn is_first(&self, provider: &ProviderName, notice: Notice) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.len() < MAX_NOTICES && said.insert((provider.clone(), notice))
    }
}
