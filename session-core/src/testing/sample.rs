//! Made-up logins, users, keys and tokens to test with.
//!
//! Every token and secret is random, so that a test that finds one where it does not belong has
//! found that one.

#![expect(clippy::expect_used, reason = "a sample that cannot be made is a fault of the test")]

use std::sync::OnceLock;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::session::{
    DeviceLabel, Origin, ProviderIdentity, ProviderName, SecretDigest, Session, SessionId,
    SessionSecret, Subject, UserId,
};
use crate::store::NewSession;
use crate::token::{Keyring, SealedTokens, TokenResponse, TokenSet};

/// The issuer that samples were signed in by.
pub const ISSUER: &str = "https://id.example";

/// The moment at which [`FakeClock`](super::FakeClock) stands at first: 2026-01-01T00:00:00Z.
#[must_use]
pub const fn now() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

/// The user with this id.
///
/// # Panics
///
/// If the text cannot be one.
#[must_use]
pub fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

/// The provider of this name.
///
/// # Panics
///
/// If the text cannot be one.
#[must_use]
pub fn provider(name: &str) -> ProviderName {
    ProviderName::new(name).expect("a provider name")
}

/// The subject with this text.
///
/// # Panics
///
/// If the text cannot be one.
#[must_use]
pub fn subject(text: &str) -> Subject {
    Subject::new(text).expect("a subject")
}

/// A new secret.
///
/// # Panics
///
/// If the system gives no randomness.
#[must_use]
pub fn secret() -> SessionSecret {
    SessionSecret::generate().expect("randomness")
}

/// The keyring of this process's samples: one random key, `sample`.
#[must_use]
pub fn keyring() -> &'static Keyring {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    KEYRING.get_or_init(|| keyring_of(&["sample"]))
}

/// A keyring of new random keys with these ids, the first of which seals.
///
/// # Panics
///
/// If an id cannot be one, or is given twice, or the system gives no randomness.
#[must_use]
pub fn keyring_of(ids: &[&str]) -> Keyring {
    let entry = |id: &&str| Keyring::generate_entry(id).expect("a key").to_string();
    let entries: Vec<String> = ids.iter().map(entry).collect();
    Keyring::parse(&entries.join(",")).expect("a keyring")
}

/// A token response with random tokens that are valid for five minutes.
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

/// The tokens of a [`response`] that was received at [`now`].
#[must_use]
pub fn tokens() -> TokenSet {
    TokenSet::new(response(), now(), Duration::from_secs(3600))
}

/// Tokens that take at least so many bytes.
#[must_use]
pub fn tokens_of(bytes: usize) -> TokenSet {
    let filler = "x".repeat(bytes);
    TokenSet::new(response().with_field("filler", filler), now(), Duration::from_secs(3600))
}

/// These tokens, sealed for a session by the [`keyring`].
///
/// # Panics
///
/// If the system gives no randomness.
#[must_use]
pub fn sealed(tokens: &TokenSet, session: &Session) -> SealedTokens {
    sealed_by(keyring(), tokens, session)
}

/// These tokens, sealed for a session.
///
/// # Panics
///
/// If the system gives no randomness.
#[must_use]
pub fn sealed_by(keyring: &Keyring, tokens: &TokenSet, session: &Session) -> SealedTokens {
    tokens.seal(keyring, session.id, &session.user, &session.provider).expect("sealed tokens")
}

/// A made-up login of one device.
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
    /// The secret in the device's cookie; `None` for a tool client.
    pub secret: Option<SessionSecret>,
    /// The tokens, in clear.
    pub tokens: TokenSet,
    /// The cookie that the browser held before.
    pub supersedes: Option<SecretDigest>,
}

impl Login {
    /// A login at [`now`], with a secret and tokens of its own.
    pub fn of(user: &str, provider: &str) -> Self {
        let session = Session {
            id: SessionId::generate(now()),
            user: self::user(user),
            provider: self::provider(provider),
            identity: ProviderIdentity {
                issuer: Some(ISSUER.to_owned()),
                subject: Some(subject("sample-subject")),
                ..ProviderIdentity::default()
            },
            device: DeviceLabel::new("Sample on Linux"),
            origin: Origin::Login,
            created_at: now(),
            last_seen_at: now(),
            timeouts_from: now(),
            renewed_at: None,
            revision: 1,
            ended: None,
        };
        Self { session, secret: Some(secret()), tokens: tokens(), supersedes: None }
    }

    /// This login at another moment.
    pub fn at(mut self, moment: Timestamp) -> Self {
        self.session.id = SessionId::generate(moment);
        self.session.created_at = moment;
        self.session.last_seen_at = moment;
        self.session.timeouts_from = moment;
        self
    }

    /// This login with another last use.
    pub const fn last_seen(mut self, moment: Timestamp) -> Self {
        self.session.last_seen_at = moment;
        self
    }

    /// This login of another subject, or of an unknown one.
    pub fn subject(mut self, subject: Option<&str>) -> Self {
        self.session.identity.subject = subject.map(self::subject);
        self
    }

    /// This login in a session of the provider.
    pub fn sid(mut self, sid: &str) -> Self {
        self.session.identity.sid = Some(sid.to_owned());
        self
    }

    /// This login from another issuer.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.session.identity.issuer = Some(issuer.to_owned());
        self
    }

    /// This login on another device.
    pub fn device(mut self, label: &str) -> Self {
        self.session.device = DeviceLabel::new(label);
        self
    }

    /// This login in the browser that held a cookie before.
    pub const fn superseding(mut self, digest: Option<SecretDigest>) -> Self {
        self.supersedes = digest;
        self
    }

    /// This login with other tokens.
    pub fn with_tokens(mut self, tokens: TokenSet) -> Self {
        self.tokens = tokens;
        self
    }

    /// The connection of a tool client instead: without a cookie.
    pub fn connection(mut self) -> Self {
        self.session.origin = Origin::Connection;
        self.secret = None;
        self
    }

    /// A session that was moved here instead, at which no cookie points yet.
    pub fn imported(mut self) -> Self {
        self.session.origin = Origin::Imported;
        self.secret = None;
        self
    }

    /// The session's id.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.session.id
    }

    /// What the cookie is known by.
    #[must_use]
    pub fn digest(&self) -> Option<SecretDigest> {
        self.secret.as_ref().map(SessionSecret::digest)
    }

    /// What a store is to put in, sealed by the [`keyring`].
    ///
    /// # Panics
    ///
    /// If the system gives no randomness.
    #[must_use]
    pub fn new_session(&self) -> NewSession {
        self.new_session_sealed_by(keyring())
    }

    /// What a store is to put in.
    ///
    /// # Panics
    ///
    /// If the system gives no randomness.
    #[must_use]
    pub fn new_session_sealed_by(&self, keyring: &Keyring) -> NewSession {
        NewSession {
            session: self.session.clone(),
            digest: self.digest(),
            tokens: sealed_by(keyring, &self.tokens, &self.session),
            supersedes: self.supersedes,
        }
    }
}
