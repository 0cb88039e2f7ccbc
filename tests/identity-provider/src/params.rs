//! Request parameters.

/// The parameters of a request, from a query or a form, in order.
///
/// Has no `Debug`, because it may contain a secret.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Parses parameters. Those without a value count as omitted (RFC 6749, 3.1 and 3.2).
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(encoded).into_owned();
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Returns the first value with this name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_repeated(&self, name: &str) -> bool {
        self.0.iter().filter(|(key, _)| key == name).count() > 1
    }

    /// Returns whether any parameter is repeated, which RFC 6749 forbids.
    pub(crate) fn has_repetition(&self) -> bool {
        self.0.iter().any(|(name, _)| self.is_repeated(name))
    }
}

#[cfg(test)]
mod tests {
    use super::Params;

    #[test]
    fn an_empty_value_counts_as_omitted() {
        let params = Params::parse(b"state=&scope=a+b&scope=c%26");
        assert_eq!(params.value("state"), None);
        assert_eq!(params.value("scope"), Some("a b"));
        assert!(
            params.has_repetition() && params.is_repeated("scope") && !params.is_repeated("state")
        );
    }
}
