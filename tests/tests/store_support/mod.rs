//! Shared helpers of the tests of stores.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test file uses some of it; a panic is how a test fails"
)]

pub mod counter;
pub mod plans;
pub mod saboteur;

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::Poll;

use session_core::SessionStore;
use session_core::policy::{OnFull, SessionPolicy};
use session_core::session::SessionId;
use session_core::store::{Admission, StoreError};
use session_core::testing::sample::Login;
use session_tests::database::{Database, Kind};

/// Creates a database with the tables.
pub async fn migrated(kind: Kind) -> Database {
    let database = Database::create(kind).await;
    session_migrate::up(database.url()).await.unwrap();
    database
}

/// Creates a policy with a cap and without timeouts.
pub fn capped(max: u32, on_full: OnFull) -> SessionPolicy {
    let max = NonZeroU32::new(max).unwrap().get();
    let policy = SessionPolicy::builder().max_sessions(max).on_full(on_full);
    policy.without_idle_timeout().without_absolute_timeout().build().unwrap()
}

/// Admits a login that must not be refused; returns the ids of the sessions that ended for it.
pub async fn admit(
    store: &dyn SessionStore,
    login: &Login,
    policy: &SessionPolicy,
) -> Result<Vec<SessionId>, StoreError> {
    let decide = |here: &[_]| policy.admit(&login.session.provider, here, login.session.created_at);
    match store.admit(login.new_session(), &decide).await? {
        Admission::Admitted { ended } => Ok(ended.iter().map(|ended| ended.id).collect()),
        refused => panic!("a login was not admitted: {refused:?}"),
    }
}

/// Polls a future at most so many times and then drops it; returns its output if it completed.
pub async fn polled<T>(future: impl Future<Output = T>, limit: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut polls = 0;
    std::future::poll_fn(move |context| {
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if polls >= limit => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
