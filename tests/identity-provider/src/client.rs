//! Client registrations.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::redirect_uri;

/// A client registration: its id, its secret and its redirect URIs.
///
/// A client without a secret is public, and must use PKCE.
///
/// # Example
///
/// ```
/// use identity_provider::Client;
///
/// let client = Client::new("my-app")
///     .secret("s3cret")
///     .redirect_uri("https://app.example/callback")
///     .post_logout_redirect_uri("https://app.example/");
/// assert!(!format!("{client:?}").contains("s3cret"));
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) id: String,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) post_logout_redirect_uris: Vec<String>,
    secret: Option<SecretHash>,
}

impl Client {
    /// Creates a public client with this id and no redirect URI.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            secret: None,
        }
    }

    /// Creates the default client `devices` with the secret `devices-secret`: loopback hosts, any port,
    /// path `/callback`, and `/` after a logout.
    #[must_use]
    pub fn devices() -> Self {
        ["127.0.0.1", "[::1]", "localhost"].iter().fold(
            Self::new("devices").secret("devices-secret"),
            |client, host| {
                client
                    .redirect_uri(format!("http://{host}/callback"))
                    .post_logout_redirect_uri(format!("http://{host}/"))
            },
        )
    }

    /// Sets the secret, which makes the client confidential. Only its SHA-256 is kept.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(SecretHash::of(secret));
        self
    }

    /// Registers a redirect URI. It is compared exactly, except that a loopback address may have any
    /// port (RFC 8252).
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// Registers a URI to redirect to after a logout, compared like a redirect URI.
    #[must_use]
    pub fn post_logout_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.post_logout_redirect_uris.push(uri.into());
        self
    }

    pub(crate) fn is_public(&self) -> bool {
        self.secret.is_none()
    }

    pub(crate) fn accepts_secret(&self, presented: &str) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.matches(presented))
    }

    pub(crate) fn accepts_redirect(&self, requested: &str) -> bool {
        self.redirect_uris.iter().any(|registered| redirect_uri::matches(registered, requested))
    }

    pub(crate) fn accepts_post_logout_redirect(&self, requested: &str) -> bool {
        self.post_logout_redirect_uris
            .iter()
            .any(|registered| redirect_uri::matches(registered, requested))
    }
}

/// A digest, so that the time of a comparison reveals neither content nor length.
#[derive(Clone)]
struct SecretHash([u8; 32]);

impl SecretHash {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    fn matches(&self, presented: &str) -> bool {
        self.0.ct_eq(&Self::of(presented).0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
