//! The contract of a session store, its twelve laws, and the stores that come with this crate.
//!
//! A store implements nine small traits, each for one topic, and is then a [`SessionStore`]:
//!
//! | trait | topic |
//! |---|---|
//! | [`SessionLookup`] | finds, lists and counts sessions; changes nothing |
//! | [`SessionLifecycle`] | admits, ends and purges sessions |
//! | [`SessionUpdates`] | writes renewed tokens and step-ups, rotates secrets, records the last use |
//! | [`RenewalLeases`] | gives one process at a time the right to renew a session |
//! | [`RevocationOutbox`] | keeps refresh tokens until they are revoked at their provider |
//! | [`EventLog`] | keeps what happened to sessions, and lists what changed them |
//! | [`MaintenanceRounds`] | divides the rounds of maintenance among the nodes |
//! | [`MigratedSessions`] | finds sessions that `session-migrate` brought here |
//! | [`KeyRotation`] | finds and re-seals what an older key has sealed |
//!
//! [`memory::MemoryStore`] keeps sessions in one process; `sea_orm::SeaOrmStore` keeps them in
//! SQLite, PostgreSQL, MySQL or MariaDB. The conformance suite in `session_core::testing` (feature
//! `test-util`) checks any store against the laws.
//!
//! # What holds for every method
//!
//! - A method is one atomic effect: it is either visible as a whole, or it did not happen. It
//!   returns after its effect is committed, and every later call on any node sees the effect.
//! - A future may be dropped at any await; the effect is then complete or absent.
//! - No method reads a clock. Where the time matters, the caller passes it.
//! - A method that finds no matching row is not an error: it returns `None`, `false`, an empty list
//!   or zero, and changes nothing.
//! - When a call fails with an error that [is transient](StoreError::is_transient), it may be
//!   repeated. Where the outcome of the failed call is unknown (the connection broke during the
//!   commit), the method's documentation says what a repetition returns.
//!
//! # The laws
//!
//! 1. **Admission is atomic.** Counting the live sessions of a partition, ending the excess and
//!    inserting the new session are one effect. However many logins race, in however many
//!    processes, the cap is never exceeded, exactly the sessions that the policy names end, and
//!    the new session is never one of them. A counter orders admissions, not a clock.
//! 2. **A login ends nothing else.** Sessions of other users, other providers and other partitions
//!    stay untouched. The one exception is the session that the same browser held, found by its current
//!    secret or by a previous one that is still accepted: it ends as superseded, in the same
//!    effect, before the live sessions are counted.
//! 3. **Nothing is resurrected, nothing is lost.** An update names the revision or the digest that
//!    its caller has read, applies to live sessions only, and never inserts. The time of the last
//!    use only moves forward.
//! 4. **One lease at a time, whatever the clocks say.** Every change of a lease is a
//!    compare-and-swap on its owner and heartbeat. A store compares no times.
//! 5. **A rotated token is durable before it is used.** A write returns only after its commit, and
//!    a permanent refusal is told apart from a store that cannot be reached.
//! 6. **Lookups are bound.** A lookup or an end that names a user treats a session of another user
//!    as absent. Names are compared byte for byte.
//! 7. **Every end has a reason,** which stays readable until the session is purged.
//! 8. **The caller's clock decides.** Timestamps come from the caller and keep their milliseconds;
//!    the clock of the database is never read.
//! 9. **Purging is batched and indexed.** It deletes by the end or the timeouts of a session, never
//!    by the expiry of a token, and never more rows than it was asked to. Of the nodes that want
//!    to do a round of maintenance, one does.
//! 10. **Tokens at rest are sealed.** A store receives and returns [`SealedTokens`] only. It cannot
//!     open them, and keeps every byte.
//! 11. **Ending moves the refresh token out.** The effect that ends a session also moves its sealed
//!     refresh token to the outbox of revocations. An entry that is already in the outbox is not
//!     an error.
//! 12. **Failures are told apart by code, in one place.** A conflict or a busy lock is repeated a
//!     bounded number of times, a lost connection is replaced, a server that is read-only, out of
//!     resources or away is reported as unavailable or rejected at once, and missing tables,
//!     missing rights and violated constraints are permanent. [`StoreErrorKind`] is the result.
//!
//! [`SealedTokens`]: crate::token::SealedTokens

mod admission;
mod error;
mod event;
mod key_rotation;
mod lease;
mod lifecycle;
mod lookup;
pub mod memory;
mod migrated;
mod revocation;
mod round;
mod row;
#[cfg(feature = "sea-orm")]
pub mod sea_orm;
mod update;

use std::fmt;

pub use admission::{Admission, Decide, NewSession, Partition};
pub use error::{StoreError, StoreErrorKind};
pub use event::{ChangesQuery, EventLog};
pub use key_rotation::{KeyRotation, Reseal};
pub use lease::RenewalLeases;
pub use lifecycle::{EndTarget, SessionLifecycle};
pub use lookup::{SessionLookup, TimeoutBasis, TimeoutQuery};
pub use migrated::MigratedSessions;
pub use revocation::{PendingRevocation, RevocationBacklog, RevocationId, RevocationOutbox};
pub use round::{KEPT_ROUNDS, MaintenanceRounds, Round};
pub use row::{Digests, EndedSession, Lease, LeaseOwner, PreviousDigest, StoredSession};
pub use update::{SecretRotation, SessionUpdates, StepUpWrite, TokenWrite};

/// A complete session store: every type that implements the nine traits of [this module](self).
///
/// Implement the nine traits; this one follows. A `dyn SessionStore` has the methods of all of
/// them. To call a method on a concrete store, import the trait that declares it.
///
/// ```
/// use session_core::UserId;
/// use session_core::store::{SessionStore, StoreError, memory::MemoryStore};
///
/// async fn is_signed_in(store: &dyn SessionStore, user: &UserId) -> Result<bool, StoreError> {
///     Ok(!store.list(user).await?.is_empty())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let ann = UserId::new("ann").unwrap();
/// assert!(!is_signed_in(&MemoryStore::new(), &ann).await.unwrap());
/// # });
/// ```
pub trait SessionStore:
    SessionLookup
    + SessionLifecycle
    + SessionUpdates
    + RenewalLeases
    + RevocationOutbox
    + EventLog
    + MaintenanceRounds
    + MigratedSessions
    + KeyRotation
    + fmt::Debug
    + Send
    + Sync
    + 'static
{
}

impl<T> SessionStore for T where
    T: SessionLookup
        + SessionLifecycle
        + SessionUpdates
        + RenewalLeases
        + RevocationOutbox
        + EventLog
        + MaintenanceRounds
        + MigratedSessions
        + KeyRotation
        + fmt::Debug
        + Send
        + Sync
        + 'static
{
}
