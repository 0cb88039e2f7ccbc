//! Sample logins, users, keys and tokens for tests.
//!
//! Every token and secret is random, so that a test can search for one where it must not be.

#![expect(clippy::expect_used, reason = "an invalid sample is an error of the test")]

use std::sync::OnceLock;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::session::{
    Authentication, DeviceLabel, Origin, ProviderIdentity, ProviderName, SecretDigest, Session,
    SessionId, SessionSecret, Subject, UserId,
};
use crate::store::NewSession;
use crate::token::{Keyring, SealedTokens, TokenResponse, TokenSet};

/// The issuer of the samples.
pub const ISSUER: &str = "https://id.example";

/// Returns the initial time of [`FakeClock`](super::FakeClock): 2026-01-01T00:00:00Z.
#[must_use]
pub const fn now() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

/// Creates a user id.
///
/// # Panics
///
/// Panics if the text is invalid.
#[must_use]
pub fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

/// Creates the name of a provider.
///
/// # Panics
///
/// Panics if the text is invalid.
#[must_use]
pub fn provider(name: &str) -> ProviderName {
    ProviderName::new(name).expect("a provider name")
}

/// Creates a subject.
///
/// # Panics
///
/// Panics if the text is invalid.
#[must_use]
pub fn subject(text: &str) -> Subject {
    Subject::new(text).expect("a subject")
}

/// Creates a new secret.
///
/// # Panics
///
/// Panics if the operating system provides no randomness.
#[must_use]
pub fn secret() -> SessionSecret {
    SessionSecret::generate().expect("randomness")
}

/// Returns the keyring of the samples of this process: one random key with the id `sample`.
#[must_use]
pub fn keyring() -> &'static Keyring {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    KEYRING.get_or_init(|| keyring_of(&["sample"]))
}

/// Creates a keyring of new random keys with these ids, the first of which seals.
///
/// # Panics
///
/// Panics if an id is invalid or given twice, or if the operating system provides no randomness.
#[must_use]
pub fn keyring_of(ids: &[&str]) -> Keyring {
    let entry = |id: &&str| Keyring::generate_entry(id).expect("a key").to_string();
    let entries: Vec<String> = ids.iter().map(entry).collect();
    Keyring::parse(&entries.join(",")).expect("a keyring")
}

/// Creates a token response with random tokens that are valid for five minutes.
#[must_use]
pub fn response() -> TokenResponse {
    let random = |kind: &str| format!("{kind}-{}", secret().expose());
    TokenResponse::bearer(random("at"))
        .with_refresh_token(random("rt"))
        .with_id_token(random("idt"))
        .with_scope("openid profile")
        .with_expires_in(Duration::from_secs(300))
        .with_field("tenant", "sample")
}

/// Creates the tokens of a [`response`] that was received at [`now`].
#[must_use]
pub fn tokens() -> TokenSet {
    TokenSet::new(response(), now(), Duration::from_secs(3600))
}

/// Creates tokens that take at least `bytes` bytes.
#[must_use]
pub fn tokens_of(bytes: usize) -> TokenSet {
    let filler = "x".repeat(bytes);
    TokenSet::new(response().with_field("filler", filler), now(), Duration::from_secs(3600))
}

/// Seals tokens for a session with the [`keyring`].
///
/// # Panics
///
/// Panics if the operating system provides no randomness.
#[must_use]
pub fn sealed(tokens: &TokenSet, session: &Session) -> SealedTokens {
    sealed_by(keyring(), tokens, session)
}

/// Seals tokens for a session with another keyring.
///
/// # Panics
///
/// Panics if the operating system provides no randomness.
#[must_use]
pub fn sealed_by(keyring: &Keyring, tokens: &TokenSet, session: &Session) -> SealedTokens {
    tokens.seal(keyring, session.id, &session.user, &session.provider).expect("sealed tokens")
}

/// A sample login of one device.
///
/// ```
/// use session_core::testing::sample::{self, Login};
///
/// let laptop = Login::of("ann", "okta").device("Laptop");
/// let again = Login::of("ann", "okta").superseding(laptop.digest());
/// assert_eq!(again.new_session().supersedes, laptop.new_session().digest);
/// assert_eq!(laptop.session.created_at, sample::now());
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Login {
    /// The session.
    pub session: Session,
    /// The secret in the cookie; `None` for a tool client.
    pub secret: Option<SessionSecret>,
    /// The tokens, not sealed.
    pub tokens: TokenSet,
    /// The cookie that the browser held before.
    pub supersedes: Option<SecretDigest>,
}

impl Login {
    /// Creates a login at [`now`], with a secret and tokens of its own.
    pub fn of(user: &str, provider: &str) -> Self {
        let identity = ProviderIdentity {
            issuer: Some(ISSUER.to_owned()),
            subject: Some(subject("sample-subject")),
            ..ProviderIdentity::default()
        };
        let authentication = Authentication {
            at: Some(now()),
            acr: Some("urn:example:sample".to_owned()),
            amr: vec!["pwd".to_owned(), "otp".to_owned()],
        };
        let (user, provider) = (self::user(user), self::provider(provider));
        let id = SessionId::generate(now());
        let session = Session::new(id, user, provider, Origin::Login, now())
            .with_identity(identity)
            .with_authentication(authentication)
            .with_device(DeviceLabel::new("Sample on Linux"));
        Self { session, secret: Some(secret()), tokens: tokens(), supersedes: None }
    }

    /// Sets the time of the login.
    pub fn at(mut self, moment: Timestamp) -> Self {
        self.session.id = SessionId::generate(moment);
        self.session.created_at = moment;
        self.session.last_seen_at = moment;
        self.session.timeouts_from = moment;
        self
    }

    /// Sets the time of the last use.
    pub const fn last_seen(mut self, moment: Timestamp) -> Self {
        self.session.last_seen_at = moment;
        self
    }

    /// Sets the subject; `None` means unknown.
    pub fn subject(mut self, subject: Option<&str>) -> Self {
        self.session.identity.subject = subject.map(self::subject);
        self
    }

    /// Sets the session at the provider (`sid`).
    pub fn sid(mut self, sid: &str) -> Self {
        self.session.identity.sid = Some(sid.to_owned());
        self
    }

    /// Sets the issuer.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.session.identity.issuer = Some(issuer.to_owned());
        self
    }

    /// Sets the label of the device.
    pub fn device(mut self, label: &str) -> Self {
        self.session.device = DeviceLabel::new(label);
        self
    }

    /// Sets the cookie that the browser held before.
    pub const fn superseding(mut self, digest: Option<SecretDigest>) -> Self {
        self.supersedes = digest;
        self
    }

    /// Sets the tokens.
    pub fn with_tokens(mut self, tokens: TokenSet) -> Self {
        self.tokens = tokens;
        self
    }

    /// Makes this the connection of a tool client, without a cookie.
    pub fn connection(mut self) -> Self {
        self.session.origin = Origin::Connection;
        self.secret = None;
        self
    }

    /// Makes this a migrated session, which has no cookie yet.
    pub fn imported(mut self) -> Self {
        self.session.origin = Origin::Imported;
        self.secret = None;
        self
    }

    /// Returns the id of the session.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.session.id
    }

    /// Returns the digest of the cookie's secret.
    #[must_use]
    pub fn digest(&self) -> Option<SecretDigest> {
        self.secret.as_ref().map(SessionSecret::digest)
    }

    /// Returns what a store is to admit, sealed with the [`keyring`].
    ///
    /// # Panics
    ///
    /// Panics if the operating system provides no randomness.
    #[must_use]
    pub fn new_session(&self) -> NewSession {
        self.new_session_sealed_by(keyring())
    }

    /// Returns what a store is to admit, sealed with another keyring.
    ///
    /// # Panics
    ///
    /// Panics if the operating system provides no randomness.
    #[must_use]
    pub fn new_session_sealed_by(&self, keyring: &Keyring) -> NewSession {
        let tokens = sealed_by(keyring, &self.tokens, &self.session);
        NewSession::new(self.session.clone(), tokens)
            .with_digest(self.digest())
            .superseding(self.supersedes)
    }
}
