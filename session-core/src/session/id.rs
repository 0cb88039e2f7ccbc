//! The ids and names in a session: its own id, the user, the provider, the subject.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Timestamp;

/// The public id of a session: stable, safe in lists, addresses and logs, and never a secret.
///
/// A UUID of version 7 (RFC 9562) with the time of the login. The id of a migrated session has
/// version 8 and is derived one way from the identity and the key of its source.
///
/// ```
/// use session_core::{SessionId, Timestamp};
///
/// let id = SessionId::generate(Timestamp::from_millis(1_700_000_000_000));
/// assert_eq!(id.to_string().parse::<SessionId>().unwrap(), id);
/// assert!("not an id".parse::<SessionId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Uuid);

/// Separates derived ids from other digests of the same parts.
const DERIVED_DOMAIN: &[u8] = b"session-core migrated session id v1";

impl SessionId {
    /// Creates a new id for a session that begins at `now`.
    #[must_use]
    pub fn generate(now: Timestamp) -> Self {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let (seconds, rest) = (millis / 1000, u32::try_from(millis % 1000).unwrap_or(0));
        let moment = uuid::Timestamp::from_unix(uuid::NoContext, seconds, rest * 1_000_000);
        Self(Uuid::new_v7(moment))
    }

    /// Derives the id of a migrated session: the same parts give the same id, and no part can be
    /// read from it.
    ///
    /// A UUID of version 8 (RFC 9562) from SHA-256 over the parts, each with its length.
    ///
    /// # Security
    ///
    /// A part that can be guessed can be confirmed by trying; a cookie's value cannot.
    ///
    /// ```
    /// use session_core::SessionId;
    ///
    /// let id = SessionId::derived(&[b"openwebui", b"row 1"]);
    /// assert_eq!(id, SessionId::derived(&[b"openwebui", b"row 1"]));
    /// assert_ne!(id, SessionId::derived(&[b"openwebuir", b"ow 1"]));
    /// assert_eq!(id.as_uuid().get_version_num(), 8);
    /// ```
    #[must_use]
    pub fn derived(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(&DERIVED_DOMAIN).chain(parts) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let (bytes, _) = digest.as_chunks::<16>();
        Self(
            uuid::Builder::from_custom_bytes(bytes.first().copied().unwrap_or_default())
                .into_uuid(),
        )
    }

    /// Creates the id with this UUID.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Returns the id as a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }

    /// Returns a number from the random end of the id, to spread sessions over a span of time.
    #[must_use]
    pub fn spread(&self) -> u64 {
        self.0.as_u64_pair().1
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let uuid = Uuid::try_parse(text).map_err(|_| InvalidName { what: "session id" })?;
        Ok(Self(uuid))
    }
}

/// An invalid name: empty, longer than 255 bytes, or with control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what}")]
pub struct InvalidName {
    what: &'static str,
}

/// The maximum length of a user id, provider, issuer or subject, in bytes of UTF-8.
const MAX_NAME: usize = 255;

fn checked(text: &str, what: &'static str) -> Result<Arc<str>, InvalidName> {
    if is_name(text) { Ok(Arc::from(text)) } else { Err(InvalidName { what }) }
}

/// Returns whether a text is a valid name: not empty, not too long for a column, without control
/// characters.
pub(super) fn is_name(text: &str) -> bool {
    let fits = !text.is_empty() && text.len() <= MAX_NAME;
    fits && !text.chars().any(char::is_control)
}

/// The application's id of a user.
///
/// Compared byte for byte, on every database: `Ann`, `ann` and `ann ` are three users.
///
/// ```
/// use session_core::UserId;
///
/// assert_eq!(UserId::new("ann").unwrap().as_str(), "ann");
/// assert!(UserId::new("").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

/// The name of an OAuth client registration, such as `okta` or `mcp:github`.
///
/// Compared byte for byte, on every database.
///
/// ```
/// use session_core::ProviderName;
///
/// assert!(ProviderName::new("mcp:github").is_ok());
/// assert!(ProviderName::new("line\nbreak").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderName(Arc<str>);

/// The subject (`sub`) by which an issuer knows a user (OpenID Connect Core, section 2).
///
/// ```
/// use session_core::session::Subject;
///
/// assert_eq!(Subject::new("248289761001").unwrap().to_string(), "248289761001");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

/// Who does something on behalf of a user, for the audit trail: `alice@ops`, or the name of a job.
///
/// ```
/// use session_core::session::Actor;
///
/// assert_eq!(Actor::new("alice@ops").unwrap().as_str(), "alice@ops");
/// assert!(Actor::new("").is_err());
/// ```
///
/// # Security
///
/// It is stored and shown as it is: never use a secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor(Arc<str>);

impl Actor {
    /// Creates an actor.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidName`] if the text is empty, longer than 255 bytes, or has control
    /// characters.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
        checked(text.as_ref(), "actor").map(Self)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserId {
    /// Creates a user id.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidName`] if the text is empty, longer than 255 bytes, or has control
    /// characters.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
        checked(text.as_ref(), "user id").map(Self)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ProviderName {
    /// Creates the name of a provider.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidName`] if the text is empty, longer than 255 bytes, or has control
    /// characters.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
        checked(text.as_ref(), "provider name").map(Self)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Subject {
    /// Creates a subject.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidName`] if the text is empty, longer than 255 bytes, or has control
    /// characters.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
        checked(text.as_ref(), "subject").map(Self)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Actor({:?})", &*self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({:?})", &*self.0)
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProviderName({:?})", &*self.0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?})", &*self.0)
    }
}
