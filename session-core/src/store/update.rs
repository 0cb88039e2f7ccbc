//! Updates of one live session: renewed tokens, rotated secrets, the last use.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::session::{Authentication, SecretDigest, SessionId};
use crate::store::{LeaseOwner, PendingRevocation, PreviousDigest, StoreError};
use crate::token::SealedTokens;

/// Updates one live session. Each method names what its caller has read, and none inserts (law 3).
#[async_trait]
pub trait SessionUpdates {
    /// Writes renewed tokens if the session is live and still has the revision that was read (laws
    /// 3 and 5).
    ///
    /// In one effect: replaces the tokens, stores the time of the renewal, raises the revision by
    /// one, records the event, and releases the lease if it is that of
    /// [`releases`](TokenWrite::releases). Returns the new revision, or `None` if the session is absent,
    /// has ended or has another revision: read it again, and merge the tokens into what is there.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer. If the connection broke during the
    /// commit, the tokens may be written: a repetition then returns `None`, and the row holds them.
    async fn write_tokens(&self, write: TokenWrite) -> Result<Option<u64>, StoreError>;

    /// Writes what a user's new authentication has brought if the session is live and still has the
    /// revision that was read (laws 3, 5 and 11).
    ///
    /// In one effect: does what [`write_tokens`](Self::write_tokens) does, but records the event of
    /// the step-up instead; replaces the digests, the authentication and the session at the provider;
    /// and adds [`revokes`](StepUpWrite::revokes) to the outbox. Returns the new revision, or `None`
    /// if the session is absent, has ended or has another revision.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if another session has the digest. If
    /// the connection broke during the commit, it may be written: the row has the new digest then.
    async fn step_up(&self, write: StepUpWrite) -> Result<Option<u64>, StoreError>;

    /// Replaces the digest if the session is live and its current digest is the one that was read;
    /// returns whether it did.
    ///
    /// In one effect: stores the new and the previous digest, forgets the authentication if
    /// [asked to](SecretRotation::forgets_authentication), and raises the revision. A session
    /// without a cookie gets its first one if [`from`](SecretRotation::from) is `None`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if another session has the digest.
    async fn rotate_secret(&self, rotation: SecretRotation) -> Result<bool, StoreError>;

    /// Records that a rotated secret was presented for the first time.
    ///
    /// Does nothing if `presented` is not the current digest of a live session, if no secret was
    /// rotated, or if a time is recorded already: the first one counts. May be repeated.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer.
    async fn confirm_rotation(
        &self,
        id: SessionId,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Moves the time of a live session's last use forward to `at`, never back (law 3).
    ///
    /// The revision stays. May be repeated.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer.
    async fn touch(&self, id: SessionId, at: Timestamp) -> Result<(), StoreError>;
}

/// Renewed tokens for a session, as it was read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TokenWrite {
    /// The session.
    pub id: SessionId,
    /// The revision that was read.
    pub revision: u64,
    /// The tokens.
    pub tokens: SealedTokens,
    /// The time of the renewal.
    pub now: Timestamp,
    /// The owner of the lease that is released with the write; another owner's lease stays.
    pub releases: Option<LeaseOwner>,
}

impl TokenWrite {
    /// Creates a write of these tokens over the revision that was read.
    #[must_use]
    pub const fn new(id: SessionId, revision: u64, tokens: SealedTokens, now: Timestamp) -> Self {
        Self { id, revision, tokens, now, releases: None }
    }

    /// Sets the owner of the lease that is released with the write.
    #[must_use]
    pub const fn releasing(mut self, owner: LeaseOwner) -> Self {
        self.releases = Some(owner);
        self
    }
}

/// What a user's new authentication has brought for a session, as it was read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StepUpWrite {
    /// The session, its new tokens, and the time.
    pub tokens: TokenWrite,
    /// The digest of the new secret.
    pub to: SecretDigest,
    /// The digest that stays accepted for a while beside the new one.
    pub previous: Option<PreviousDigest>,
    /// When and how the user authenticated.
    pub authentication: Authentication,
    /// The session at the provider (`sid`).
    pub sid: Option<String>,
    /// The token that the new ones replace, if it is to be revoked.
    pub revokes: Option<PendingRevocation>,
}

impl StepUpWrite {
    /// Creates a write of these tokens and this secret, after which no previous secret is accepted
    /// and no token is revoked.
    #[must_use]
    pub const fn new(tokens: TokenWrite, to: SecretDigest, authentication: Authentication) -> Self {
        Self { tokens, to, previous: None, authentication, sid: None, revokes: None }
    }

    /// Sets the digest that stays accepted for a while.
    #[must_use]
    pub const fn with_previous(mut self, previous: Option<PreviousDigest>) -> Self {
        self.previous = previous;
        self
    }

    /// Sets the session at the provider.
    #[must_use]
    pub fn with_sid(mut self, sid: Option<String>) -> Self {
        self.sid = sid;
        self
    }

    /// Sets the token that is to be revoked.
    #[must_use]
    pub fn revoking(mut self, revocation: Option<PendingRevocation>) -> Self {
        self.revokes = revocation;
        self
    }
}

/// A new secret for a session, as it was read.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SecretRotation {
    /// The session.
    pub id: SessionId,
    /// The current digest that was read; `None` gives the session its first secret.
    pub from: Option<SecretDigest>,
    /// The new digest.
    pub to: SecretDigest,
    /// The time of the rotation.
    pub now: Timestamp,
    /// The digest that stays accepted for a while beside the new one.
    pub previous: Option<PreviousDigest>,
    /// Whether the authentication is forgotten, because the new secret goes to the holder of a
    /// previous one.
    pub forgets_authentication: bool,
}

impl SecretRotation {
    /// Creates a rotation from the digest that was read, after which no previous one is accepted.
    #[must_use]
    pub const fn new(
        id: SessionId,
        from: Option<SecretDigest>,
        to: SecretDigest,
        now: Timestamp,
    ) -> Self {
        Self { id, from, to, now, previous: None, forgets_authentication: false }
    }

    /// Sets the digest that stays accepted for a while.
    #[must_use]
    pub const fn with_previous(mut self, previous: Option<PreviousDigest>) -> Self {
        self.previous = previous;
        self
    }

    /// Sets whether the authentication is forgotten.
    #[must_use]
    pub const fn forgetting_authentication(mut self, forgets: bool) -> Self {
        self.forgets_authentication = forgets;
        self
    }
}
