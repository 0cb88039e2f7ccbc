//! The cookies of a browser. An ended session's cookie is kept, to present it again.

use reqwest::header::{HeaderMap, SET_COOKIE};

/// The cookies of one browser, by name. Ports do not separate cookies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cookies(Vec<(String, String)>);

/// The cookie of a sign-in.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) number: u32,
    pub(crate) cookie: Cookies,
}

impl Cookies {
    /// Takes over what a response sets and clears. Returns the names that it set.
    pub(crate) fn apply(&mut self, headers: &HeaderMap) -> Vec<String> {
        let mut set = Vec::new();
        for header in headers.get_all(SET_COOKIE).iter().filter_map(|header| header.to_str().ok()) {
            let pair = header.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else { continue };
            self.0.retain(|(known, _)| known != name);
            if !value.is_empty() && !header.to_ascii_lowercase().contains("max-age=0") {
                self.0.push((name.to_owned(), value.to_owned()));
                set.push(name.to_owned());
            }
        }
        set
    }

    /// Returns the one cookie of this name.
    pub(crate) fn only(&self, name: &str) -> Option<Self> {
        let found = self.0.iter().find(|(known, _)| known == name)?;
        Some(Self(vec![found.clone()]))
    }

    /// Returns these cookies together with others.
    pub(crate) fn with(&self, others: &Self) -> Self {
        Self(self.0.iter().chain(&others.0).cloned().collect())
    }

    /// Returns the value of the header `Cookie`.
    pub(crate) fn header(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (SET_COOKIE, value.parse().unwrap())).collect()
    }

    #[test]
    fn cookies_are_set_replaced_and_cleared() {
        let mut cookies = Cookies::default();
        assert_eq!(cookies.apply(&headers(&["a=1; Path=/", "b=2"])), ["a", "b"]);
        assert_eq!(cookies.apply(&headers(&["a=3", "b=; Max-Age=0"])), ["a"]);
        assert_eq!(cookies.header(), "a=3");
        assert!(cookies.only("b").is_none());
        assert_eq!(cookies.with(&cookies.only("a").unwrap()).header(), "a=3; a=3");
    }
}
