//! Finding and listing sessions, migrated ones too.

use std::cmp::Reverse;

use async_trait::async_trait;

use super::rows::Row;
use super::{MemoryStore, Tables, at_most, count};
use crate::session::{Origin, ProviderName, SecretDigest, Session, SessionId, UserId};
use crate::store::{
    MigratedSessions, Partition, SessionLookup, StoreError, StoredSession, TimeoutQuery,
};

#[async_trait]
impl SessionLookup for MemoryStore {
    async fn find_by_digest(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<StoredSession>, StoreError> {
        Ok(self.state().rows.find_by_digest(digest).map(|row| row.stored.clone()))
    }

    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError> {
        Ok(self.state().rows.get(id).map(|row| row.stored.clone()))
    }

    async fn find_all(&self, ids: &[SessionId]) -> Result<Vec<Session>, StoreError> {
        let state = self.state();
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let found = ids.into_iter().filter_map(|id| state.rows.get(id));
        Ok(found.map(|row| row.stored.session.clone()).collect())
    }

    async fn list(&self, user: &UserId) -> Result<Vec<Session>, StoreError> {
        Ok(last_admitted_first(self.state().rows.live_of(user)))
    }

    async fn count_live(&self, partition: &Partition) -> Result<u64, StoreError> {
        Ok(count(self.state().rows.live_in(partition).count()))
    }

    async fn list_timeout_candidates(
        &self,
        query: TimeoutQuery,
    ) -> Result<Vec<Session>, StoreError> {
        let key = |session: &Session| Some((query.by.time_of(session)?, session.id));
        let state = self.state();
        let live = state.rows.live().map(|row| &row.stored.session);
        let mut found: Vec<&Session> = live
            .filter(|session| key(session).is_some_and(|(time, _)| time <= query.until))
            .filter(|session| key(session) > query.after)
            .filter(|session| query.providers.contains(&session.provider))
            .collect();
        found.sort_by_key(|session| key(session));
        Ok(found.into_iter().take(at_most(query.limit)).cloned().collect())
    }
}

#[async_trait]
impl MigratedSessions for MemoryStore {
    async fn list_unclaimed(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        let has_no_cookie = |row: &Row| row.stored.digests.iter().next().is_none();
        Ok(self.state().list_imported(user, provider, has_no_cookie))
    }

    async fn list_migrated(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        Ok(self.state().list_imported(user, provider, |_| true))
    }

    async fn is_held(&self, id: SessionId) -> Result<bool, StoreError> {
        let state = self.state();
        let is_imported = |row: &Row| row.stored.session.origin == Origin::Imported;
        Ok(state.imported_are_held && state.rows.get(id).is_some_and(is_imported))
    }
}

impl Tables {
    fn list_imported(
        &self,
        user: &UserId,
        provider: &ProviderName,
        is_wanted: impl Fn(&Row) -> bool,
    ) -> Vec<Session> {
        last_admitted_first(self.rows.live_of(user).filter(|row| {
            let session = &row.stored.session;
            session.origin == Origin::Imported && session.provider == *provider && is_wanted(row)
        }))
    }
}

fn last_admitted_first<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Session> {
    let mut rows: Vec<&Row> = rows.collect();
    rows.sort_by_key(|row| Reverse(row.admission));
    rows.into_iter().map(|row| row.stored.session.clone()).collect()
}
