//! The store of sessions: one contract, eleven laws, and one suite that holds every store to them.
//!
//! # The laws
//!
//! 1. **Admit is atomic.** Count, end all the excess and insert are one effect per partition,
//!    however many logins race in however many processes. Its order is a counter, not a clock.
//! 2. **A login ends nothing else** but what the policy names and the session that the same browser
//!    held, which is ended first.
//! 3. **Nothing is resurrected, nothing is lost.** An update names the revision that it read and
//!    the state *live*, and never inserts. A touch only moves forward, on live rows.
//! 4. **One lease at a time, whatever the clocks say.** Every change of a lease is a
//!    compare-and-swap on owner and beat; the store compares no times.
//! 5. **A rotated token is durable before anyone uses it.** A write returns when it is committed.
//! 6. **Lookup is bound.** A session of another user is answered as none.
//! 7. **Ends have a reason**, readable until the retention is over.
//! 8. **The caller's clock rules.** Methods that need the time take it; the database's is not read.
//! 9. **Purging is batched and indexed**, by end or timeout, never by a token's expiry.
//! 10. **Tokens at rest are sealed.** A store sees [`SealedTokens`] only, and cannot open them.
//! 11. **Ending moves the refresh token out**, into the outbox of revocations, in one transaction.

mod admission;
mod error;
mod lease;
pub mod memory;
mod outbox;
mod request;
mod row;
#[cfg(feature = "sea-orm")]
pub mod sea_orm;

use std::fmt;

use async_trait::async_trait;

pub use admission::{Admission, Decide, NewSession, Partition};
pub use error::{StoreError, StoreErrorKind};
pub use lease::{Lease, LeaseOwner};
pub use outbox::{PendingRevocation, RevocationId};
pub use request::{EndTarget, SecretRotation, StaleBy, StaleQuery, TokenWrite};
pub use row::{Digests, EndedSession, PreviousDigest, StoredSession};

use crate::clock::Timestamp;
use crate::event::Event;
use crate::session::{EndReason, ProviderName, SecretDigest, Session, SessionId, UserId};
use crate::token::{Sealed, SealedTokens};

/// Keeps sessions. Every implementation holds the [laws](self), and proves it by the conformance
/// suite of `session_core::testing` (feature `test-util`).
///
/// Futures may be dropped at any await: a method either takes its whole effect or none.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Puts one more session in under the policy (laws 1, 2, 11).
    ///
    /// In one transaction: ends the session that `new.supersedes` names, counts what is live in the
    /// partition, asks `decide`, ends who it names, inserts, and records the events. A refusal
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing was changed then, unless the connection broke at the commit.
    async fn admit(&self, new: NewSession, decide: &Decide<'_>) -> Result<Admission, StoreError>;

    /// The session that a cookie of this digest is for, current or previous, live or ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn find_by_digest(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<StoredSession>, StoreError>;

    /// The session with this id, live or ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError>;

    /// The sessions with these ids, live or ended, in any order; for those who wait for an end.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn find_all(&self, ids: &[SessionId]) -> Result<Vec<Session>, StoreError>;

    /// The live sessions of a user, the last admitted first.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn list(&self, user: &UserId) -> Result<Vec<Session>, StoreError>;

    /// The live sessions of a user and provider that were moved here and that no cookie points at,
    /// now or for a while still; the last admitted first (law 6). A first secret claims one (law 3).
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn list_unclaimed(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError>;

    /// The live sessions of a user and provider that were moved here by a move that is not final
    /// yet, claimed or not; the last admitted first (law 6).
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn list_migrated(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError>;

    /// Whether the move that brought a session holds it: until its switch only the system that it
    /// was moved from renews it. Never of one that signed in here, or of none.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn is_held(&self, id: SessionId) -> Result<bool, StoreError>;

    /// Writes new tokens if the session is live and has the revision that was read (law 3); raises
    /// the revision and records the renewal.
    ///
    /// Gives the new revision, or `None` if the row has another one or has ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn write_tokens(&self, write: TokenWrite) -> Result<Option<u64>, StoreError>;

    /// Writes the same tokens, sealed anew, if the session is live and has this revision; the
    /// revision stays, for no request sees a difference. `false` if it does not fit.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn reseal(
        &self,
        id: SessionId,
        revision: u64,
        tokens: SealedTokens,
    ) -> Result<bool, StoreError>;

    /// Changes the digest if the session is live and its digest is the one that was read; raises
    /// the revision. `false` if it does not fit.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn rotate_secret(&self, rotation: SecretRotation) -> Result<bool, StoreError>;

    /// Notes when a rotated secret was first presented, if that is not noted yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn confirm_rotation(
        &self,
        id: SessionId,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Moves a live session's last use forward to `at`, never back (law 3).
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn touch(&self, id: SessionId, at: Timestamp) -> Result<(), StoreError>;

    /// Ends sessions, moves their refresh tokens to the outbox and drops their other tokens (laws
    /// 7, 11). Gives those that this call ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn end(
        &self,
        target: EndTarget,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError>;

    /// Gives `lease` to its owner, if the session is live and its lease is `seen` (law 4): none,
    /// or one that stood still.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn claim_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
    ) -> Result<bool, StoreError>;

    /// Raises the beat by one, if the session is live and the lease still is this one. `false`: it
    /// was taken over, or the session has ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn heartbeat(&self, id: SessionId, lease: &Lease) -> Result<bool, StoreError>;

    /// Gives the lease back, if it still is this owner's.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn release_lease(&self, id: SessionId, owner: LeaseOwner) -> Result<(), StoreError>;

    /// A page of live sessions that may have reached a timeout (law 9).
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn list_timeout_candidates(&self, query: StaleQuery) -> Result<Vec<Session>, StoreError>;

    /// Deletes at most `limit` sessions that ended before `before`; gives how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn purge_ended(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError>;

    /// Deletes at most `limit` events from before `before`; gives how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn purge_events(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError>;

    /// Records what happened to a session, where no other call records it.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn record(&self, event: Event) -> Result<(), StoreError>;

    /// What happened to a session, the oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn events(&self, id: SessionId) -> Result<Vec<Event>, StoreError>;

    /// Puts a refresh token that no row holds into the outbox; one of an id that is in already
    /// changes nothing, for its caller has missed the first answer.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn enqueue_revocation(&self, revocation: PendingRevocation) -> Result<(), StoreError>;

    /// Takes at most `limit` revocations that are due at `now`; nobody else gets them before
    /// `until`, unless they are postponed to earlier. Raises their count of attempts, and gives
    /// them as they lie there then.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn claim_revocations(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError>;

    /// Puts a revocation off until `due_at`.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn postpone_revocation(
        &self,
        id: RevocationId,
        due_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Takes a revocation out of the outbox: it is done, or not to be done.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn complete_revocation(&self, id: RevocationId) -> Result<(), StoreError>;

    /// Writes the same refresh token into the outbox, sealed anew.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn reseal_revocation(&self, id: RevocationId, sealed: Sealed) -> Result<(), StoreError>;

    /// How many sessions of a partition have not ended: whether a grant is still in use (law 11).
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn count_live(&self, partition: &Partition) -> Result<u64, StoreError>;

    /// One live session for each key id that any is sealed with (law 10).
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn sample_per_key(&self) -> Result<Vec<StoredSession>, StoreError>;

    /// At most `limit` live sessions behind `after` that another key than `key_id` has sealed, in
    /// the order of their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn list_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<SessionId>,
        limit: u64,
    ) -> Result<Vec<StoredSession>, StoreError>;

    /// At most `limit` revocations behind `after` that another key than `key_id` has sealed, in
    /// the order of their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    async fn list_revocations_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<RevocationId>,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError>;
}
