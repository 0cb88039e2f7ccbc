//! A store in SQLite, PostgreSQL, MySQL 8 or MariaDB.
//!
//! The tables are created by the crate `session-migrate`. All statements are SeaORM's or plain
//! SQL of this folder; nothing outside of it knows which database there is.
//!
//! # What it asks of a database
//!
//! - Transactions that write: each sets READ COMMITTED by itself (`BEGIN IMMEDIATE` on SQLite),
//!   so that the server's default does not matter, and a login first writes the lock row of its
//!   partition. What others were in the way of is repeated, with pauses that grow.
//! - One statement for a lookup. Connections need not be tested before use: what meets a dead one
//!   is asked again on another. A write whose answer was lost is looked for before it is repeated.
//! - MariaDB 10.6, MySQL 8.0.17, PostgreSQL 12 or SQLite 3.35, or newer.
//! - MySQL's `binlog_format` must be `ROW` or `MIXED`, which is the default of both servers.
//!
//! No time is read: neither the database's clock nor this machine's.

mod admit;
mod connect;
mod convert;
mod end;
mod ending;
pub mod entity;
mod events;
mod failure;
mod lease;
mod moves;
mod outbox;
mod purge;
mod read;
mod retry;
mod row;
mod seal_key;
mod transaction;
mod update;

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{DatabaseConnection, DbBackend};

use crate::clock::Timestamp;
use crate::event::Event;
use crate::session::{EndReason, ProviderName, SecretDigest, Session, SessionId, UserId};
use crate::store::{
    Admission, Decide, EndTarget, EndedSession, Lease, LeaseOwner, NewSession, Partition,
    PendingRevocation, RevocationId, SecretRotation, SessionStore, StaleQuery, StoreError,
    StoredSession, TokenWrite,
};
use crate::token::{Sealed, SealedTokens};

/// Keeps sessions in SQLite, PostgreSQL, MySQL 8 or MariaDB. Clones share their pool.
///
/// ```no_run
/// use session_core::store::sea_orm::SeaOrmStore;
///
/// # async fn run() -> Result<(), session_core::store::StoreError> {
/// let store = SeaOrmStore::connect("sqlite://sessions.sqlite?mode=rwc").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SeaOrmStore {
    connection: DatabaseConnection,
    backend: DbBackend,
    /// See [`read::by_digest_sql`].
    by_digest: Arc<String>,
}

impl SeaOrmStore {
    /// A store on a pool that is open already.
    ///
    /// Turn off `test_before_acquire` where you open it: the store does not need it, and it costs
    /// a round trip at each use. On SQLite use WAL mode, and for a database in memory a pool of
    /// one connection.
    #[must_use]
    pub fn new(connection: DatabaseConnection) -> Self {
        let backend = connection.get_database_backend();
        Self { connection, backend, by_digest: Arc::new(read::by_digest_sql(backend)) }
    }

    /// The pool, for what the application keeps in the same database.
    #[must_use]
    pub const fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }
}

#[async_trait]
impl SessionStore for SeaOrmStore {
    async fn admit(&self, new: NewSession, decide: &Decide<'_>) -> Result<Admission, StoreError> {
        self.admit_new(&new, decide).await
    }

    async fn find_by_digest(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<StoredSession>, StoreError> {
        self.of_cookie(digest).await
    }

    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError> {
        self.by_id(id).await
    }

    async fn find_all(&self, ids: &[SessionId]) -> Result<Vec<Session>, StoreError> {
        self.by_ids(ids).await
    }

    async fn list(&self, user: &UserId) -> Result<Vec<Session>, StoreError> {
        self.live_of(user).await
    }

    async fn list_unclaimed(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        self.unclaimed_of(user, provider).await
    }

    async fn list_migrated(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        self.legacy_of(user, provider).await
    }

    async fn is_held(&self, id: SessionId) -> Result<bool, StoreError> {
        self.is_held_back(id).await
    }

    async fn write_tokens(&self, write: TokenWrite) -> Result<Option<u64>, StoreError> {
        self.renew_tokens(&write).await
    }

    async fn reseal(
        &self,
        id: SessionId,
        revision: u64,
        tokens: SealedTokens,
    ) -> Result<bool, StoreError> {
        self.seal_anew(id, revision, &tokens).await
    }

    async fn rotate_secret(&self, rotation: SecretRotation) -> Result<bool, StoreError> {
        self.rotate(&rotation).await
    }

    async fn confirm_rotation(
        &self,
        id: SessionId,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.confirm(id, presented, now).await
    }

    async fn touch(&self, id: SessionId, at: Timestamp) -> Result<(), StoreError> {
        self.move_last_seen(id, at).await
    }

    async fn end(
        &self,
        target: EndTarget,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError> {
        self.end_named(&target, reason, now).await
    }

    async fn claim_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
    ) -> Result<bool, StoreError> {
        self.swap_lease(id, seen, lease).await
    }

    async fn heartbeat(&self, id: SessionId, lease: &Lease) -> Result<bool, StoreError> {
        self.swap_lease(id, Some(lease), &lease.raised()).await
    }

    async fn release_lease(&self, id: SessionId, owner: LeaseOwner) -> Result<(), StoreError> {
        self.drop_lease(id, owner).await
    }

    async fn list_timeout_candidates(&self, query: StaleQuery) -> Result<Vec<Session>, StoreError> {
        self.stale_page(query).await
    }

    async fn purge_ended(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        self.delete_ended(before, limit).await
    }

    async fn purge_events(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        self.delete_events(before, limit).await
    }

    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.record_event(&event).await
    }

    async fn events(&self, id: SessionId) -> Result<Vec<Event>, StoreError> {
        self.events_of(id).await
    }

    async fn enqueue_revocation(&self, revocation: PendingRevocation) -> Result<(), StoreError> {
        self.enqueue(&revocation).await
    }

    async fn claim_revocations(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        self.claim_due(now, until, limit).await
    }

    async fn postpone_revocation(
        &self,
        id: RevocationId,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.postpone(id, due_at).await
    }

    async fn complete_revocation(&self, id: RevocationId) -> Result<(), StoreError> {
        self.settle(id).await
    }

    async fn reseal_revocation(&self, id: RevocationId, sealed: Sealed) -> Result<(), StoreError> {
        self.seal_pending_anew(id, &sealed).await
    }

    async fn count_live(&self, partition: &Partition) -> Result<u64, StoreError> {
        self.count_live_in(partition).await
    }

    async fn sample_per_key(&self) -> Result<Vec<StoredSession>, StoreError> {
        self.one_of_each_key().await
    }

    async fn list_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<SessionId>,
        limit: u64,
    ) -> Result<Vec<StoredSession>, StoreError> {
        self.sessions_sealed_otherwise(key_id, after, limit).await
    }

    async fn list_revocations_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<RevocationId>,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        self.pending_sealed_otherwise(key_id, after, limit).await
    }
}
