/// The parameters of a request, from a query or a form, in their order.
///
/// It has no `Debug`: it may hold a secret.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// A parameter without a value counts as left out (RFC 6749, 3.1 and 3.2).
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(encoded).into_owned();
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The first value of that name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_repeated(&self, name: &str) -> bool {
        self.0.iter().filter(|(key, _)| key == name).count() > 1
    }

    /// Whether any parameter comes more than once, which RFC 6749 forbids.
    pub(crate) fn has_repetition(&self) -> bool {
        self.0.iter().any(|(name, _)| self.is_repeated(name))
    }
}

#[cfg(test)]
mod tests {
    use super::Params;

    #[test]
    fn an_empty_value_counts_as_left_out() {
        let params = Params::parse(b"state=&scope=a+b&scope=c%26");
        assert_eq!(params.value("state"), None);
        assert_eq!(params.value("scope"), Some("a b"));
        assert!(
            params.has_repetition() && params.is_repeated("scope") && !params.is_repeated("state")
        );
    }
}
