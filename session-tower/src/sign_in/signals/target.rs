//! From whom a signal is about to the sessions that end.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use session_core::provider::openid::signals::SubjectIdentifier;
use session_core::session::{ProviderLogout, Subject};
use session_core::{ProviderName, UserId};

/// Names the application's user by an identifier that a provider uses, such as an e-mail address.
///
/// ```
/// use async_trait::async_trait;
/// use session_core::provider::openid::signals::SubjectIdentifier;
/// use session_core::{ProviderName, UserId};
/// use session_tower::sign_in::signals::{UserLookupError, UserOfSignal};
///
/// /// Users are known by their address.
/// struct ByEmail;
///
/// #[async_trait]
/// impl UserOfSignal for ByEmail {
///     async fn user(
///         &self,
///         _: &ProviderName,
///         identifier: &SubjectIdentifier,
///     ) -> Result<Option<UserId>, UserLookupError> {
///         Ok(match identifier {
///             SubjectIdentifier::Email { email } => UserId::new(email).ok(),
///             _ => None,
///         })
///     }
/// }
/// ```
#[async_trait]
pub trait UserOfSignal: Send + Sync + 'static {
    /// Returns the user, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// Returns [`UserLookupError`] if the user cannot be looked up now: the sender tries again.
    async fn user(
        &self,
        provider: &ProviderName,
        identifier: &SubjectIdentifier,
    ) -> Result<Option<UserId>, UserLookupError>;
}

/// The application could not look a user up.
#[derive(Debug, thiserror::Error)]
#[error("the user of a signal cannot be looked up")]
pub struct UserLookupError(#[source] Box<dyn Error + Send + Sync>);

impl UserLookupError {
    /// Creates the error.
    #[must_use]
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Who looks users up, if the application does.
#[derive(Clone, Default)]
pub(super) struct UserLookup(Option<Arc<dyn UserOfSignal>>);

impl fmt::Debug for UserLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserLookup")
    }
}

/// Why an identifier leads to no sessions.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTarget {
    #[error("the subject is another issuer's")]
    Issuer,
    #[error("the subject's identifier is not supported")]
    Unsupported,
    #[error("the user is not known")]
    Unknown,
    #[error(transparent)]
    Unavailable(#[from] UserLookupError),
}

impl UserLookup {
    pub(super) fn by(users: impl UserOfSignal) -> Self {
        Self(Some(Arc::new(users)))
    }

    /// Adds the user whom an identifier names to what a provider reports as over.
    pub(super) async fn named(
        &self,
        logout: ProviderLogout,
        provider: &ProviderName,
        identifier: &SubjectIdentifier,
    ) -> Result<ProviderLogout, NoTarget> {
        if let SubjectIdentifier::IssSub { iss, sub } = identifier {
            if *iss != logout.issuer {
                return Err(NoTarget::Issuer);
            }
            let subject = Subject::new(sub).map_err(|_| NoTarget::Unknown)?;
            return Ok(logout.with_subject(subject));
        }
        let users = self.0.as_ref().ok_or(NoTarget::Unsupported)?;
        let user = users.user(provider, identifier).await?.ok_or(NoTarget::Unknown)?;
        Ok(logout.with_user(user))
    }
}
