//! Users.

/// A user that the login form offers, with the claims that userinfo returns.
///
/// Listing is optional: any other name can sign in too, with an email address derived from it. The
/// name is the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) is_email_verified: bool,
}

/// The maximum length of a name.
const MAX_NAME_BYTES: usize = 128;

impl User {
    /// Creates a user. The name that is typed on the form is the `sub` and `preferred_username`.
    ///
    /// # Example
    ///
    /// ```
    /// use identity_provider::User;
    ///
    /// let alice = User::new("alice").name("Alice Lovelace").email("alice@example.test");
    /// assert_ne!(alice, User::new("alice"));
    /// ```
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        let subject = subject.into();
        let email =
            if subject.contains('@') { subject.clone() } else { format!("{subject}@example.test") };
        Self { name: subject.clone(), email, is_email_verified: true, subject }
    }

    /// Sets the full name, the `name` claim.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the `email` claim.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = email.into();
        self
    }

    /// Sets the `email` claim to an address that the user has only typed: `email_verified` is false.
    #[must_use]
    pub fn unverified_email(mut self, email: impl Into<String>) -> Self {
        self.email = email.into();
        self.is_email_verified = false;
        self
    }
}

/// Returns the trimmed name, or `None` if it is invalid.
pub(crate) fn accepted_name(typed: &str) -> Option<&str> {
    let name = typed.trim();
    let fits =
        !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control);
    fits.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::accepted_name;

    #[test]
    fn an_invalid_name_is_rejected() {
        assert_eq!(accepted_name("  Zoë O'Hara "), Some("Zoë O'Hara"));
        assert_eq!(accepted_name("  "), None);
        assert_eq!(accepted_name("a\u{0}b"), None);
        assert_eq!(accepted_name(&"x".repeat(129)), None);
    }
}
