//! What must never be shown.

use std::collections::BTreeMap;

use session_core::TokenSet;
use session_core::session::{SecretDigest, SessionSecret};

/// The secrets of the story by their texts, with what each is.
#[derive(Default)]
pub(crate) struct Secrets(BTreeMap<String, &'static str>);

impl Secrets {
    pub(crate) fn add(&mut self, kind: &'static str, text: &str) {
        assert!(text.len() > 12, "too short to be unique: {text}");
        self.0.insert(text.to_owned(), kind);
    }

    /// In the forms in which bytes are printed.
    fn add_bytes(&mut self, kind: &'static str, bytes: &[u8]) {
        let hex = |upper: bool| {
            let digits =
                |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
            bytes.iter().map(digits).collect::<String>()
        };
        self.add(kind, &hex(false));
        self.add(kind, &hex(true));
        // As a list, without its ends: some show a longer or a shorter one.
        self.add(kind, format!("{bytes:?}").trim_matches(['[', ']']));
    }

    pub(crate) fn add_secret(&mut self, secret: &SessionSecret) {
        self.add("a session's secret", secret.expose());
        self.add_digest(&secret.digest());
    }

    pub(crate) fn add_digest(&mut self, digest: &SecretDigest) {
        self.add_bytes("a secret's digest", digest.as_bytes());
    }

    pub(crate) fn add_tokens(&mut self, tokens: &TokenSet) {
        self.add("an access token", tokens.access_token());
        self.add("a refresh token", tokens.refresh_token().unwrap());
        self.add("an ID token", tokens.id_token().unwrap());
        if let Some(field) = tokens.field("tenant") {
            self.add("an unknown field", field.as_str().unwrap());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(text, kind)| (*kind, text.as_str()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
