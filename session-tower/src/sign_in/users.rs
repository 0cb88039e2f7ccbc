//! Who has signed in: the application names the user, or refuses.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use session_core::provider::openid::{SignInClaims, SignInOutcome};
use session_core::session::SessionData;
use session_core::{ProviderName, UserId};

/// Names the application's user for a verified sign-in: by the subject alone, or by what the
/// application looks up or creates.
///
/// ```
/// use async_trait::async_trait;
/// use session_core::provider::openid::SignInOutcome;
/// use session_core::{ProviderName, UserId};
/// use session_tower::sign_in::{RefusedUser, UserOfSignIn};
///
/// /// Lets in those whose address the provider has verified, and who are of the house.
/// struct Staff;
///
/// #[async_trait]
/// impl UserOfSignIn for Staff {
///     async fn user(&self, _: &ProviderName, outcome: &SignInOutcome) -> Result<UserId, RefusedUser> {
///         let email = outcome.claims.email.as_deref().filter(|_| outcome.claims.email_verified == Some(true));
///         let of_house = email.filter(|email| email.ends_with("@house.example"));
///         of_house.and_then(|email| UserId::new(email).ok()).ok_or(RefusedUser::UNKNOWN)
///     }
/// }
/// ```
#[async_trait]
pub trait UserOfSignIn: Send + Sync + 'static {
    /// Returns the user who has signed in at this provider.
    ///
    /// # Errors
    ///
    /// Returns [`RefusedUser`] if the user is not to be signed in; no session is created then.
    async fn user(
        &self,
        provider: &ProviderName,
        outcome: &SignInOutcome,
    ) -> Result<UserId, RefusedUser>;

    /// Returns what is kept with the session, for
    /// [`CurrentSession::data`](crate::CurrentSession::data) (default: the claims `name`,
    /// `preferred_username`, `email` and `email_verified`, as far as the provider sends them and they
    /// fit). `None` leaves what a step-up finds: return empty data to take it away.
    fn data(&self, outcome: &SignInOutcome) -> Option<SessionData> {
        let profile = profile(&outcome.claims);
        (!profile.is_empty()).then_some(profile)
    }
}

/// Returns the usual claims about a user, without those that are not there.
fn profile(claims: &SignInClaims) -> SessionData {
    let claims = [
        ("name", claims.name.clone().map(Value::from)),
        ("preferred_username", claims.preferred_username.clone().map(Value::from)),
        ("email", claims.email.clone().map(Value::from)),
        ("email_verified", claims.email_verified.map(Value::from)),
    ];
    let mut kept = BTreeMap::new();
    let mut data = SessionData::default();
    for (name, value) in claims.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        kept.insert(name, value);
        match SessionData::new(&kept) {
            Ok(longer) => data = longer,
            // What does not fit is not kept: the sign-in is worth more.
            Err(_) => drop(kept.remove(name)),
        }
    }
    data
}

/// The application refuses a sign-in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the application refuses the sign-in: {message}")]
#[non_exhaustive]
pub struct RefusedUser {
    /// What the user is told.
    pub message: String,
    /// Whether the same sign-in may succeed later: the application could not look the user up.
    pub is_transient: bool,
}

impl RefusedUser {
    /// The refusal of a user whom the application does not know.
    pub const UNKNOWN: Self = Self { message: String::new(), is_transient: false };

    /// Creates a refusal with a message for the user.
    #[must_use]
    pub fn because(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_transient: false }
    }

    /// Creates a refusal for now: the user cannot be looked up.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self { message: String::new(), is_transient: true }
    }
}

/// Takes the provider's `sub` as the user id: the only name of a user that a provider never gives to
/// another one. For sites with one provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct SubjectAsUser;

#[async_trait]
impl UserOfSignIn for SubjectAsUser {
    async fn user(&self, _: &ProviderName, outcome: &SignInOutcome) -> Result<UserId, RefusedUser> {
        let subject = outcome.identity.subject.as_ref().ok_or(RefusedUser::UNKNOWN)?;
        UserId::new(subject.as_str()).map_err(|_| RefusedUser::UNKNOWN)
    }
}

/// Names users, without a `Debug` of its own.
#[derive(Clone)]
pub(super) struct Users(pub(super) Arc<dyn UserOfSignIn>);

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserOfSignIn")
    }
}
