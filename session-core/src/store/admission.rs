//! Putting one more session in.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::policy::{AdmittedSession, Verdict};
use crate::session::{ProviderName, SecretDigest, Session, Subject, UserId};
use crate::store::row::EndedSession;
use crate::token::SealedTokens;

/// What a cap counts over: user, provider and subject or account id, as one key of fixed length.
///
/// A digest, so that no collation of a database can take two partitions for one. Sessions of which
/// neither is known are one partition of their own.
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
    /// The partition of these three, the third being what
    /// [`ProviderIdentity::cap_subject`](crate::session::ProviderIdentity::cap_subject) gives.
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

    /// The partition with these bytes, as a store read them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store to write.
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

/// A session that is to come in.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session; live, with the revision that it begins with. Its creation is "now".
    pub session: Session,
    /// What its cookie is known by; `None` for a tool client.
    pub digest: Option<SecretDigest>,
    /// Its tokens.
    pub tokens: SealedTokens,
    /// The cookie that the same browser held: its session, current or previous, ends first.
    pub supersedes: Option<SecretDigest>,
}

impl NewSession {
    /// What the cap counts over.
    #[must_use]
    pub fn partition(&self) -> Partition {
        let session = &self.session;
        Partition::of(&session.user, &session.provider, session.identity.cap_subject().as_ref())
    }
}

/// The policy's decision, asked inside the transaction that carries it out. It may be asked again
/// when the transaction is repeated.
pub type Decide<'a> = dyn Fn(&[AdmittedSession]) -> Verdict + Send + Sync + 'a;

/// What became of a session that was to come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is in.
    Admitted {
        /// Who ended for it: superseded, timed out, evicted or replaced.
        ended: Vec<EndedSession>,
    },
    /// It is not, and nothing was changed.
    Refused {
        /// How many live sessions hold every place.
        live: usize,
    },
}
