/// A person whom the login page offers and of whom userinfo tells more than a name.
///
/// Nobody has to be listed: any other name signs in too, with an address made up from it. The name
/// is the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) email: String,
}

/// Longer than any name that a person types, shorter than what fills a page.
const MAX_NAME_BYTES: usize = 128;

impl User {
    /// A person by the name that is typed on the form; it is the `sub` and `preferred_username`.
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
        Self { name: subject.clone(), email, subject }
    }

    /// Sets the full name, the `name` claim.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the address, the `email` claim.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = email.into();
        self
    }
}

/// The name as it is signed in, or nothing where it cannot be one.
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
    fn accepts_a_name_and_refuses_what_is_none() {
        assert_eq!(accepted_name("  Zoë O'Hara "), Some("Zoë O'Hara"));
        assert_eq!(accepted_name("  "), None);
        assert_eq!(accepted_name("a\u{0}b"), None);
        assert_eq!(accepted_name(&"x".repeat(129)), None);
    }
}
