//! Keys: the check at the start, and sealing anew what an older key has sealed (K1).

use super::error::{ManagerError, StartError};
use super::inner::{Inner, SessionManager};
use super::outbox::revocation_context;
use crate::session::SessionId;
use crate::store::{PendingRevocation, RevocationId, StoreError, StoredSession};
use crate::token::{SealedTokens, TokenSet, Unreadable};

/// How many rows are read at a time.
const BATCH: u64 = 200;

/// What sealing anew did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resealed {
    /// Values that the first key has sealed now.
    pub resealed: usize,
    /// Values that changed meanwhile: whoever changed them has sealed them with the first key.
    pub overtaken: usize,
    /// Values that no key opens; they are kept.
    pub unreadable: usize,
}

impl SessionManager {
    /// Seals with the first key of the keyring what another one has sealed, sessions and outbox.
    ///
    /// When nothing is left unreadable, the other keys can be taken away. May run beside requests,
    /// and again after it was stopped.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the store is away, or a value cannot be sealed.
    pub async fn reseal(&self) -> Result<Resealed, ManagerError> {
        let mut done = Resealed::default();
        self.inner.reseal_sessions(&mut done).await?;
        self.inner.reseal_outbox(&mut done).await?;
        Ok(done)
    }
}

impl Inner {
    async fn reseal_sessions(&self, done: &mut Resealed) -> Result<(), ManagerError> {
        let key_id = self.keyring.sealing_key_id();
        let mut after: Option<SessionId> = None;
        loop {
            let rows =
                self.bounded(self.store.list_sealed_with_other_key(key_id, after, BATCH)).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.session.id);
            for row in &rows {
                self.reseal_session(row, done).await?;
            }
        }
    }

    async fn reseal_session(
        &self,
        row: &StoredSession,
        done: &mut Resealed,
    ) -> Result<(), ManagerError> {
        let Ok(tokens) = self.open_tokens(row) else {
            done.unreadable += 1;
            return Ok(());
        };
        let sealed = self.seal_for(row, &tokens)?;
        let (id, revision) = (row.session.id, row.session.revision);
        match self.bounded(self.store.reseal(id, revision, sealed)).await? {
            true => done.resealed += 1,
            false => done.overtaken += 1,
        }
        Ok(())
    }

    fn seal_for(
        &self,
        row: &StoredSession,
        tokens: &TokenSet,
    ) -> Result<SealedTokens, ManagerError> {
        let session = &row.session;
        Ok(tokens.seal(&self.keyring, session.id, &session.user, &session.provider)?)
    }

    async fn reseal_outbox(&self, done: &mut Resealed) -> Result<(), ManagerError> {
        let key_id = self.keyring.sealing_key_id();
        let mut after: Option<RevocationId> = None;
        loop {
            let rows = self.store.list_revocations_sealed_with_other_key(key_id, after, BATCH);
            let rows = self.bounded(rows).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.id);
            for revocation in &rows {
                self.reseal_revocation(revocation, done).await?;
            }
        }
    }

    async fn reseal_revocation(
        &self,
        revocation: &PendingRevocation,
        done: &mut Resealed,
    ) -> Result<(), ManagerError> {
        let context = revocation_context(revocation);
        let Ok(plain) = self.keyring.open(context, &revocation.refresh_token) else {
            done.unreadable += 1;
            return Ok(());
        };
        let sealed = self.keyring.seal(context, &plain)?;
        self.bounded(self.store.reseal_revocation(revocation.id, sealed)).await?;
        done.resealed += 1;
        Ok(())
    }
}

/// Opens one stored session for each key id (store law 10, F35).
pub(super) async fn check_keys(inner: &Inner) -> Result<(), StartError> {
    for row in inner.bounded(inner.store.sample_per_key()).await? {
        let key_id = row.tokens.as_ref().and_then(|sealed| sealed.tokens.key_id());
        let key_id = key_id.unwrap_or_default().to_owned();
        match inner.open_tokens(&row) {
            Ok(_) => {}
            Err(Unreadable::UnknownKey) => {
                tracing::warn!(key_id, "stored sessions wait for a sealing key that is not here");
            }
            // One changed row is no proof of a wrong key: it is if no other row opens either.
            Err(source) if inner.another_opens(&key_id, row.session.id).await? => {
                tracing::error!(key_id, %source, session = %row.session.id, "a row was changed");
            }
            Err(source) => return Err(StartError::WrongKey { key_id, source }),
        }
    }
    Ok(())
}

impl Inner {
    /// Whether any of some other sessions that bear this key id opens.
    async fn another_opens(&self, key_id: &str, but: SessionId) -> Result<bool, StoreError> {
        // No key has an empty id, so this lists what any key has sealed. A sample is the first of
        // its key: the others lie behind it, and what older keys have sealed before it.
        let rows =
            self.bounded(self.store.list_sealed_with_other_key("", Some(but), BATCH)).await?;
        let bears_it = |row: &&StoredSession| {
            let sealed = row.tokens.as_ref().and_then(|sealed| sealed.tokens.key_id());
            sealed == Some(key_id) && row.session.id != but
        };
        Ok(rows.iter().filter(bears_it).any(|row| self.open_tokens(row).is_ok()))
    }
}
