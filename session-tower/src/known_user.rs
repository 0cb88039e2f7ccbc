//! The user whom the application knows already, to whom sessions are bound.

use std::fmt;
use std::sync::Arc;

use http::{Extensions, HeaderMap};
use session_core::UserId;

/// Names the user whom the application knows already, from another sign-in of its own, a token, or
/// a proxy in front of it.
///
/// [`SessionLayer::with_user`](crate::SessionLayer::with_user) binds sessions to that user, and the
/// ready-made sign-in connects sessions for that user (`SignInBuilder::known_user`). Implemented for
/// closures:
///
/// ```
/// use http::{Extensions, HeaderMap};
/// use session_core::UserId;
/// use session_tower::KnownUser;
///
/// /// What the application's own layer puts into the extensions, outside of the session layer.
/// #[derive(Clone)]
/// struct Account {
///     id: String,
/// }
///
/// let known = |_: &HeaderMap, extensions: &Extensions| {
///     extensions.get::<Account>().and_then(|account| UserId::new(&account.id).ok())
/// };
/// let mut extensions = Extensions::new();
/// assert_eq!(known.known_user(&HeaderMap::new(), &extensions), None);
/// extensions.insert(Account { id: "ann".to_owned() });
/// assert_eq!(known.known_user(&HeaderMap::new(), &extensions), UserId::new("ann").ok());
/// ```
///
/// # Security
///
/// A header names the user only if a proxy sets it on every request, and removes what clients send.
pub trait KnownUser: Send + Sync + 'static {
    /// Returns the user of a request with these headers and extensions; `None` if no user is signed
    /// in, in which case the request has no session.
    fn known_user(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<UserId>;
}

impl<F> KnownUser for F
where
    F: Fn(&HeaderMap, &Extensions) -> Option<UserId> + Send + Sync + 'static,
{
    fn known_user(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<UserId> {
        self(headers, extensions)
    }
}

/// Whose sessions a layer or a sign-in is about: those of all users, or of the known user only.
#[derive(Clone, Default)]
pub(crate) struct Binding(Option<Arc<dyn KnownUser>>);

/// Sessions are bound to a user, and the application knows none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoUser;

impl Binding {
    pub(crate) fn to(known_user: impl KnownUser) -> Self {
        Self(Some(Arc::new(known_user)))
    }

    /// Returns the user whose session it must be; `None` if sessions are not bound.
    pub(crate) fn user(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Option<UserId>, NoUser> {
        match &self.0 {
            None => Ok(None),
            Some(known) => known.known_user(headers, extensions).map(Some).ok_or(NoUser),
        }
    }

    #[cfg(feature = "sign-in")]
    pub(crate) const fn is_set(&self) -> bool {
        self.0.is_some()
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Binding").field(&self.0.is_some()).finish()
    }
}
