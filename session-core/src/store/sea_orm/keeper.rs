//! Hands a connection from one call to the next, without the message that tests it in between.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{Database, Error, Pool};
use tokio::runtime::Handle;

/// How long a connection is kept for the next call before it goes back. Other users of the pool may
/// wait for it as long.
const KEPT: Duration = Duration::from_millis(5);

/// How many calls share a connection at most before it goes back, where its age is looked at.
const MAX_CALLS: u32 = 100;

/// How long a connection may take to answer what is left when it goes back, before it is closed.
/// The message that asks has no timeout of its own, and the connection counts as used.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// The connections that calls have just left.
pub(super) struct Keeper<DB: Database> {
    kept: Mutex<Vec<Kept<DB>>>,
    /// How many calls wait for the pool.
    waiting: AtomicUsize,
}

/// A connection and what names this stay of it.
struct Kept<DB: Database> {
    stay: Arc<()>,
    connection: IdleConnection<DB>,
}

/// A connection without an open transaction. Dropped, it goes back to the pool.
pub(super) struct IdleConnection<DB: Database> {
    connection: Option<PoolConnection<DB>>,
    /// How many calls had it since it left the pool.
    calls: u32,
}

impl<DB: Database> Keeper<DB> {
    pub(super) const fn new() -> Self {
        Self { kept: Mutex::new(Vec::new()), waiting: AtomicUsize::new(0) }
    }

    /// Lends a connection that another call has just left, or one of the pool.
    pub(super) async fn lend(&self, pool: &Pool<DB>) -> Result<IdleConnection<DB>, Error> {
        if let Some(kept) = self.take(pool) {
            return Ok(kept);
        }
        let _waiting = Waiting::new(&self.waiting);
        // One that was left before this call was seen to wait.
        if let Some(kept) = self.take(pool) {
            return Ok(kept);
        }
        Ok(IdleConnection { connection: Some(pool.acquire().await?), calls: 0 })
    }

    fn take(&self, pool: &Pool<DB>) -> Option<IdleConnection<DB>> {
        let kept = self.kept().pop()?;
        (!pool.is_closed()).then_some(kept.connection)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept<DB>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection for the next call for a while, unless a call waits for the pool.
    pub(super) fn keep(self: &Arc<Self>, mut connection: IdleConnection<DB>) {
        connection.calls += 1;
        let is_wanted = self.waiting.load(Ordering::SeqCst) > 0;
        let Ok(runtime) = Handle::try_current() else { return };
        if is_wanted || connection.calls >= MAX_CALLS {
            return;
        }
        let stay = Arc::new(());
        self.kept().push(Kept { stay: Arc::clone(&stay), connection });
        let keeper = Arc::clone(self);
        runtime.spawn(async move {
            tokio::time::sleep(KEPT).await;
            let mut kept = keeper.kept();
            let left = kept.iter().position(|kept| Arc::ptr_eq(&kept.stay, &stay));
            let left = left.map(|index| kept.swap_remove(index));
            drop(kept);
            drop(left);
        });
    }
}

impl<DB: Database> fmt::Debug for Keeper<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl<DB: Database> IdleConnection<DB> {
    pub(super) fn raw(&mut self) -> Option<&mut DB::Connection> {
        self.connection.as_deref_mut()
    }

    /// Closes the connection instead of giving it back.
    pub(super) fn close(mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

impl<DB: Database> Drop for IdleConnection<DB> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let Ok(runtime) = Handle::try_current() else {
            // Nothing can wait for its answer any more.
            drop(connection.detach());
            return;
        };
        // What was asked and not answered yet is waited for, for a while. Dropping the unfinished
        // return closes the connection and frees its place in the pool.
        let returned = connection.return_to_pool();
        runtime.spawn(async { tokio::time::timeout(RELEASE_TIMEOUT, returned).await });
    }
}

/// Counts a call that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
