//! For authors of middleware: a cache of live sessions between cookies and handlers.
//!
//! Applications do not need this module: `session-tower` is built on it. A middleware keeps each
//! [`LiveSession`] that a cookie led to, and asks [`revalidate`](SessionManagerExt::revalidate)
//! before it serves one again. It registers its cache with
//! [`register_cache`](SessionManagerExt::register_cache), so that a session that ends in this
//! process is not served any more.
//!
//! ```
//! use std::sync::Arc;
//!
//! use session_core::manager::{Resolution, SignIn};
//! use session_core::middleware::{SessionManagerExt, Validity};
//! use session_core::store::memory::MemoryStore;
//! use session_core::{Keyring, ProviderName, SessionManager, TokenResponse, UserId};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let keyring = Keyring::parse(&Keyring::generate_entry("2026")?)?;
//! let manager = SessionManager::builder(MemoryStore::new()).keyring(keyring).start().await?;
//! # let (ann, okta) = (UserId::new("ann")?, ProviderName::new("okta")?);
//! let login = SignIn::new(&ann, &okta, TokenResponse::bearer("at-1"));
//! let digest = manager.sign_in(login).await?.secret.digest();
//! let Resolution::Live(cached) = manager.resolve(&digest, None).await? else { unreachable!() };
//!
//! assert_eq!(manager.revalidate(&cached), Validity::Usable);
//! let live = manager.with_valid_token(&cached).await?;
//! assert_eq!(live.tokens().access_token(), "at-1");
//!
//! manager.end_all(&ann, None, session_core::EndReason::RevokedByAdmin).await?;
//! assert_eq!(manager.revalidate(&cached), Validity::Stale);
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::{Sleep, Timestamp};
pub use crate::error_chain::ErrorChain;
pub use crate::manager::live::{CacheInvalidation, Validity};
use crate::manager::live::{revalidate, touch};
use crate::manager::{self, LiveSession, ManagerError, Resolution, SessionManager, TokenError};
pub use crate::metrics::CacheMetrics;
use crate::policy::rotation;
use crate::session::{SecretDigest, UserId};
use crate::token::{Resource, ResourceToken, SealError, Sealed, Unreadable};

/// What a middleware needs of a [`SessionManager`] besides its own methods.
pub trait SessionManagerExt: sealed::Manager {
    /// Resolves a cookie's digest like [`SessionManager::resolve`], for a cache whose entry is
    /// stale: while the row has the revision of `known`, its tokens are not opened a second time.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`SessionManager::resolve`].
    fn resolve_again(
        &self,
        digest: &SecretDigest,
        user: Option<&UserId>,
        known: Option<&LiveSession>,
    ) -> impl Future<Output = Result<Resolution, ManagerError>> + Send;

    /// Decides whether a cached session may be served. If it may, this counts as a use of the
    /// session: the last use is noted, and a renewal that is due starts beside the request.
    ///
    /// Takes no lock and makes no query while nothing is due.
    #[must_use]
    fn revalidate(&self, live: &LiveSession) -> Validity;

    /// Checks that the access token has not expired. If it has, a renewal starts beside the
    /// request, unless the provider must be left alone for now. Waits for nothing.
    ///
    /// # Errors
    ///
    /// Returns a [`TokenError`] of the kind `Expired`, or `SignInNeeded` if there is no refresh
    /// token.
    fn check_token(&self, live: &LiveSession) -> Result<(), TokenError>;

    /// Returns the session with a valid access token: unchanged while the token is valid,
    /// otherwise after a renewal, for which this waits at most the policy's `max_renewal_wait`.
    ///
    /// # Errors
    ///
    /// Returns a [`TokenError`] if a new sign-in is needed, the session has ended, or no token can
    /// be obtained now.
    fn with_valid_token(
        &self,
        live: &Arc<LiveSession>,
    ) -> impl Future<Output = Result<Arc<LiveSession>, TokenError>> + Send;

    /// Returns a valid access token of the session for a further resource, fetched first if it has
    /// none, like [`SessionManager::access_token_for`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`SessionManager::access_token_for`].
    fn resource_token(
        &self,
        live: &LiveSession,
        resource: &Resource,
    ) -> impl Future<Output = Result<ResourceToken, TokenError>> + Send;

    /// Counts as a use of the session, which puts its idle timeout off.
    fn touch(&self, live: &LiveSession);

    /// Signs out the session that this cookie leads to, if it is live and the user's, or anyone's if
    /// none is named; needs no key to its tokens. Returns whether one has ended.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable; the session may then still be live.
    fn sign_out_presented(
        &self,
        digest: &SecretDigest,
        user: Option<&UserId>,
    ) -> impl Future<Output = Result<bool, ManagerError>> + Send;

    /// Starts work at once that must come to its end even if the request is gone, and returns its
    /// result. A shutdown waits for it.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the work has panicked or the runtime shuts down.
    fn run_to_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, ManagerError>> + Send;

    /// Seals a record that a browser keeps for a while, such as that of a pending sign-in.
    ///
    /// # Errors
    ///
    /// Returns [`SealError`] if the operating system provides no randomness.
    fn seal_record(&self, record: &[u8]) -> Result<Sealed, SealError>;

    /// Opens a record that a browser has kept, sealed by this or another node.
    ///
    /// # Errors
    ///
    /// Returns [`Unreadable`] if it was altered, is no such record, or its key is not known.
    fn open_record(&self, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Unreadable>;

    /// Returns a future that completes when `span` has passed on the manager's clock.
    fn sleep(&self, span: Duration) -> Sleep;

    /// Returns the counters of a middleware's cache.
    fn cache_metrics(&self) -> CacheMetrics;

    /// Registers a cache, which is told from now on which digests to forget. The manager keeps only
    /// a weak reference.
    fn register_cache(&self, cache: &Arc<impl CacheInvalidation>);
}

impl SessionManagerExt for SessionManager {
    async fn resolve_again(
        &self,
        digest: &SecretDigest,
        user: Option<&UserId>,
        known: Option<&LiveSession>,
    ) -> Result<Resolution, ManagerError> {
        manager::resolve(self.inner(), digest, user, known).await
    }

    fn revalidate(&self, live: &LiveSession) -> Validity {
        revalidate(self.inner(), live)
    }

    fn check_token(&self, live: &LiveSession) -> Result<(), TokenError> {
        manager::check_token(self.inner(), live)
    }

    async fn with_valid_token(
        &self,
        live: &Arc<LiveSession>,
    ) -> Result<Arc<LiveSession>, TokenError> {
        manager::with_valid_token(self.inner(), live).await
    }

    async fn resource_token(
        &self,
        live: &LiveSession,
        resource: &Resource,
    ) -> Result<ResourceToken, TokenError> {
        manager::resource_token(self.inner(), live.session(), live.tokens(), resource).await
    }

    fn touch(&self, live: &LiveSession) {
        touch(self.inner(), live);
    }

    async fn sign_out_presented(
        &self,
        digest: &SecretDigest,
        user: Option<&UserId>,
    ) -> Result<bool, ManagerError> {
        manager::sign_out_presented(self.inner(), digest, user).await
    }

    fn run_to_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, ManagerError>> + Send {
        self.inner().run_to_end(work)
    }

    fn seal_record(&self, record: &[u8]) -> Result<Sealed, SealError> {
        manager::seal_record(self.inner(), record)
    }

    fn open_record(&self, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        manager::open_record(self.inner(), sealed)
    }

    fn sleep(&self, span: Duration) -> Sleep {
        self.inner().sleep(span)
    }

    fn cache_metrics(&self) -> CacheMetrics {
        CacheMetrics::new()
    }

    fn register_cache(&self, cache: &Arc<impl CacheInvalidation>) {
        self.inner().caches.register(cache);
    }
}

/// What a middleware needs of a [`LiveSession`] to decide whether its secret must be rotated.
pub trait LiveSessionExt: sealed::Live {
    /// Returns whether the session was found by its previous secret, which stays accepted for a
    /// while after a rotation.
    #[must_use]
    fn is_found_by_previous_secret(&self) -> bool;

    /// Returns whether the response with the new secret must be considered lost at `now`, so that
    /// another rotation is needed (see
    /// [`rotation::is_new_secret_lost`]).
    #[must_use]
    fn is_new_secret_lost(&self, now: Timestamp) -> bool;

    /// Returns whether the session was migrated, and its secret was never rotated: the value may be
    /// in logs and backups of the other system, whatever it looks like, and is to be replaced.
    #[must_use]
    fn has_migrated_secret(&self) -> bool;

    /// Returns about how many bytes of memory the session takes, for a cache that is bounded by
    /// them.
    #[must_use]
    fn memory(&self) -> usize;

    /// Returns the monotonic time of the manager's clock before the session's row was read.
    #[must_use]
    fn read_at(&self) -> Duration;
}

impl LiveSessionExt for LiveSession {
    fn is_found_by_previous_secret(&self) -> bool {
        self.found_by_previous().is_some()
    }

    fn is_new_secret_lost(&self, now: Timestamp) -> bool {
        self.found_by_previous().is_some_and(|previous| {
            rotation::is_new_secret_lost(previous.rotated_at, previous.confirmed_at, now)
        })
    }

    fn has_migrated_secret(&self) -> bool {
        Self::has_migrated_secret(self)
    }

    fn memory(&self) -> usize {
        Self::memory(self)
    }

    fn read_at(&self) -> Duration {
        Self::read_at(self)
    }
}

/// Seals the traits, so that adding a method to them is no breaking change.
#[expect(unnameable_types, reason = "this is how a trait is sealed")]
mod sealed {
    pub trait Manager {}
    impl Manager for crate::manager::SessionManager {}
    pub trait Live {}
    impl Live for crate::manager::LiveSession {}
}
