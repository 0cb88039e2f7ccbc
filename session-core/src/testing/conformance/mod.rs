//! The suite that holds every store to the [laws](crate::store).
//!
//! Whoever writes a store of their own gives handles to it, and runs the cases; a multi-threaded
//! runtime makes the races real. Each [`Case`] is named after the law that it holds the store to.
//!
//! ```
//! use session_core::store::{SessionStore, memory::MemoryStore};
//! use session_core::testing::conformance;
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! // A new and empty store each time, as two processes would hold it.
//! let store = || async {
//!     let store = MemoryStore::new();
//!     let nodes: Vec<Arc<dyn SessionStore>> = vec![Arc::new(store.clone()), Arc::new(store)];
//!     nodes
//! };
//! let ran = conformance::check(&store).await.unwrap();
//! assert_eq!(ran, conformance::cases().len());
//! # });
//! ```

/// The cases of a file, each named as its function is.
macro_rules! cases {
    ($law:literal: $($name:ident),+ $(,)?) => {
        pub(super) fn cases() -> Vec<$crate::testing::conformance::Case> {
            vec![$($crate::testing::conformance::Case::new(
                $law,
                stringify!($name),
                |nodes| Box::pin($name(nodes)),
            )),+]
        }
    };
}

mod admission;
mod admission_races;
mod ends;
mod events;
mod kit;
mod leases;
mod logins;
mod lookup;
mod moves;
mod outbox;
mod purging;
mod sealing;
mod secrets;
mod targets;
mod times;
mod values;
mod visibility;
mod writes;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::store::SessionStore;
use kit::Nodes;
pub use kit::Violation;

/// The store that is held to the laws.
///
/// Closures that give the nodes are one.
#[async_trait]
pub trait StoreUnderTest: Send + Sync {
    /// Handles to one store that is new and empty, each as a process of its own would hold it;
    /// best two, each with its own connections. Called once for each case.
    async fn nodes(&self) -> Vec<Arc<dyn SessionStore>>;
}

#[async_trait]
impl<F, Fut> StoreUnderTest for F
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Vec<Arc<dyn SessionStore>>> + Send,
{
    async fn nodes(&self) -> Vec<Arc<dyn SessionStore>> {
        self().await
    }
}

type Run = fn(Nodes) -> BoxFuture<'static, Result<(), Violation>>;

/// One thing that a law demands.
#[derive(Clone, Copy)]
pub struct Case {
    law: u8,
    name: &'static str,
    run: Run,
}

impl Case {
    const fn new(law: u8, name: &'static str, run: Run) -> Self {
        Self { law, name, run }
    }

    /// The number of the law.
    #[must_use]
    pub const fn law(&self) -> u8 {
        self.law
    }

    /// What is demanded, as `law_4_of_many_claims_one_wins`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Holds a store to it.
    ///
    /// # Errors
    ///
    /// [`Violation`] says what was found instead, or which call of the store failed.
    pub async fn run(&self, store: &dyn StoreUnderTest) -> Result<(), Violation> {
        let nodes = Nodes::new(store.nodes().await)?;
        (self.run)(nodes).await
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Every case, in the order of the laws.
#[must_use]
pub fn cases() -> Vec<Case> {
    let groups = [
        admission::cases(),
        admission_races::cases(),
        logins::cases(),
        writes::cases(),
        ends::cases(),
        secrets::cases(),
        leases::cases(),
        visibility::cases(),
        lookup::cases(),
        moves::cases(),
        values::cases(),
        events::cases(),
        times::cases(),
        purging::cases(),
        sealing::cases(),
        outbox::cases(),
        targets::cases(),
    ];
    let mut cases: Vec<Case> = groups.into_iter().flatten().collect();
    cases.sort_by_key(Case::law);
    cases
}

/// Holds a store to every law; gives how many cases were run.
///
/// # Errors
///
/// [`Violations`] names every case that failed.
pub async fn check(store: &dyn StoreUnderTest) -> Result<usize, Violations> {
    check_all(cases(), store).await
}

/// Holds a store to one law; gives how many cases were run.
///
/// # Errors
///
/// [`Violations`] names every case that failed.
pub async fn check_law(law: u8, store: &dyn StoreUnderTest) -> Result<usize, Violations> {
    check_all(cases().into_iter().filter(|case| case.law == law).collect(), store).await
}

async fn check_all(cases: Vec<Case>, store: &dyn StoreUnderTest) -> Result<usize, Violations> {
    let mut found = Vec::new();
    for case in &cases {
        if let Err(violation) = case.run(store).await {
            found.push((*case, violation));
        }
    }
    if found.is_empty() { Ok(cases.len()) } else { Err(Violations(found)) }
}

/// The cases that a store failed, and how.
pub struct Violations(Vec<(Case, Violation)>);

impl Violations {
    /// The cases that failed, in the order of the laws.
    pub fn iter(&self) -> impl Iterator<Item = &(Case, Violation)> {
        self.0.iter()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store breaks its laws in {} cases", self.0.len())?;
        self.0.iter().try_for_each(|(case, violation)| write!(f, "\n{}: {violation}", case.name))
    }
}

/// As `Display`, one case a line: it is what an `unwrap` in a test shows.
impl fmt::Debug for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Violations {}
