//! What goes into an admission, and what comes out of it.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::policy::{AdmittedSession, Verdict};
use crate::session::{ProviderName, SecretDigest, Session, Subject, UserId};
use crate::store::row::EndedSession;
use crate::token::SealedTokens;

/// The sessions that a cap counts together: those of one user, provider and subject.
///
/// A digest of fixed length, so that no collation of a database can confuse two partitions. Sessions
/// whose subject and account are both unknown form one partition of their own.
///
/// ```
/// use session_core::store::Partition;
/// use session_core::session::Subject;
/// use session_core::{ProviderName, UserId};
///
/// let user = UserId::new("ann").unwrap();
/// let okta = ProviderName::new("okta").unwrap();
/// let padded = ProviderName::new("okta ").unwrap();
/// let subject = Subject::new("1").unwrap();
/// assert_ne!(Partition::of(&user, &okta, None), Partition::of(&user, &padded, None));
/// assert_ne!(Partition::of(&user, &okta, None), Partition::of(&user, &okta, Some(&subject)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition([u8; 32]);

impl Partition {
    /// Returns the partition of a user, a provider and what
    /// [`ProviderIdentity::cap_subject`](crate::session::ProviderIdentity::cap_subject) returns.
    #[must_use]
    pub fn of(user: &UserId, provider: &ProviderName, subject: Option<&Subject>) -> Self {
        let mut hash = Sha256::new();
        for part in [user.as_str(), provider.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        if let Some(subject) = subject {
            hash.update(subject.as_str().as_bytes());
        }
        Self(hash.finalize().into())
    }

    /// Returns the partition of a session.
    #[must_use]
    pub fn of_session(session: &Session) -> Self {
        Self::of(&session.user, &session.provider, session.identity.cap_subject().as_ref())
    }

    /// Creates the partition with these bytes, as a store has read them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for a store to write.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Partition(..)")
    }
}

/// A session that is to be admitted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewSession {
    /// The session; live, with its first revision. Its creation is the time of the admission.
    pub session: Session,
    /// The digest of its cookie's secret; `None` for a tool client.
    pub digest: Option<SecretDigest>,
    /// Its sealed tokens.
    pub tokens: SealedTokens,
    /// The cookie that the same browser held: the session that [accepts](crate::store::Digests::accepts) this digest
    /// ends first.
    pub supersedes: Option<SecretDigest>,
}

impl NewSession {
    /// Creates a new session without a cookie, which supersedes none.
    #[must_use]
    pub const fn new(session: Session, tokens: SealedTokens) -> Self {
        Self { session, digest: None, tokens, supersedes: None }
    }

    /// Sets the digest of the cookie's secret.
    #[must_use]
    pub const fn with_digest(mut self, digest: Option<SecretDigest>) -> Self {
        self.digest = digest;
        self
    }

    /// Sets the cookie that the same browser held.
    #[must_use]
    pub const fn superseding(mut self, digest: Option<SecretDigest>) -> Self {
        self.supersedes = digest;
        self
    }

    /// Returns the partition that the cap counts over.
    #[must_use]
    pub fn partition(&self) -> Partition {
        Partition::of_session(&self.session)
    }
}

/// The policy's decision on an admission, called inside the transaction that carries it out. It is
/// called again when the transaction is repeated.
pub type Decide<'a> = dyn Fn(&[AdmittedSession]) -> Verdict + Send + Sync + 'a;

/// The outcome of an admission.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// The session was admitted.
    Admitted {
        /// The sessions that ended for it: superseded, timed out, evicted or replaced.
        ended: Vec<EndedSession>,
    },
    /// The policy refused it, and nothing was changed.
    Refused {
        /// How many live sessions fill the partition.
        live: usize,
    },
}
