//! Which accounts at providers are whose: a table of the application, here in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use session_core::provider::openid::SignInOutcome;
use session_core::{ProviderName, UserId};
use session_tower::sign_in::{RefusedUser, UserOfSignIn};

/// The users, found by their accounts. A person who signs in at a second provider is found by the
/// e-mail address of the first, once; from then on by the account itself.
///
/// # Security
///
/// - An account is its issuer and subject. The subject alone may be another person's at another
///   provider, and an address may be given to another person one day: neither is an id. So an
///   address never joins a second account of the provider that the user has one at, and counts only
///   while it is the user's: the last sign-in says which one it is.
/// - An address joins an account to a user only if the provider says that it has verified it
///   (`email_verified`), **and** is one that the application trusts to do so. A provider at which
///   a user can set any address would otherwise open every user's account (as "nOAuth" did).
/// - Where that is too much trust, let the signed-in user connect the second account
///   (`examples/axum-login`), instead of joining by address.
#[derive(Debug)]
pub struct Accounts {
    trusted_for_email: Vec<ProviderName>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_account: HashMap<(String, String), UserId>,
    by_email: HashMap<String, UserId>,
}

impl Table {
    /// Returns whom this address joins an account of this issuer to.
    fn joined(&self, issuer: &str, email: &str) -> Option<UserId> {
        let user = self.by_email.get(email)?;
        let mut accounts = self.by_account.iter();
        let has_one_there = accounts.any(|((known, _), owner)| known == issuer && owner == user);
        (!has_one_there).then(|| user.clone())
    }
}

impl Accounts {
    /// Creates an empty table. These providers are trusted to verify addresses.
    #[must_use]
    pub fn trusting(providers: impl IntoIterator<Item = ProviderName>) -> Self {
        Self { trusted_for_email: providers.into_iter().collect(), table: Mutex::default() }
    }
}

#[async_trait]
impl UserOfSignIn for Accounts {
    async fn user(
        &self,
        provider: &ProviderName,
        outcome: &SignInOutcome,
    ) -> Result<UserId, RefusedUser> {
        let identity = &outcome.identity;
        let (Some(issuer), Some(subject)) = (&identity.issuer, &identity.subject) else {
            return Err(RefusedUser::UNKNOWN);
        };
        let account = (issuer.clone(), subject.as_str().to_owned());
        let claims = &outcome.claims;
        let is_trusted = claims.email_verified == Some(true)
            && self.trusted_for_email.iter().any(|trusted| trusted == provider);
        let email = claims.email.as_deref().filter(|_| is_trusted).map(str::to_ascii_lowercase);
        // In a database: one transaction, with unique indexes on account and address.
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let known = table.by_account.get(&account).cloned();
        let user = match known.or_else(|| table.joined(&account.0, email.as_ref()?)) {
            Some(user) => user,
            None => UserId::new(format!("user-{}", table.by_account.len() + 1))
                .map_err(|_| RefusedUser::UNKNOWN)?,
        };
        table.by_account.insert(account, user.clone());
        if let Some(email) = email {
            table.by_email.retain(|_, owner| *owner != user);
            table.by_email.insert(email, user.clone());
        }
        Ok(user)
    }
}
