//! The conformance suite, which checks a store against the [laws](crate::store).
//!
//! To check a store of your own, return handles to it and run the cases, on a multi-threaded runtime
//! for real races. The name of each [`Case`] begins with the law that it checks.
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

/// Lists the cases of a file, each named as its function.
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
mod migrated;
mod outbox;
mod purging;
mod sealing;
mod secrets;
mod step_ups;
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

/// The store to check. Implemented for closures that return the nodes.
#[async_trait]
pub trait StoreUnderTest: Send + Sync {
    /// Returns handles to one new and empty store, as separate processes would hold them; ideally
    /// two, each with its own connections. Called once for each case.
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

/// One requirement of a law.
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

    /// Returns the number of the law.
    #[must_use]
    pub const fn law(&self) -> u8 {
        self.law
    }

    /// Returns the name of the requirement, such as `law_4_of_many_claims_one_wins`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Checks a store.
    ///
    /// # Errors
    ///
    /// Returns [`Violation`] with what was found instead, or with the call that failed.
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

/// Returns every case, in the order of the laws.
#[must_use]
pub fn cases() -> Vec<Case> {
    let groups = [
        admission::cases(),
        admission_races::cases(),
        logins::cases(),
        writes::cases(),
        ends::cases(),
        secrets::cases(),
        step_ups::cases(),
        leases::cases(),
        visibility::cases(),
        lookup::cases(),
        migrated::cases(),
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

/// Checks a store against every law; returns the number of cases.
///
/// # Errors
///
/// Returns [`Violations`] with every case that failed.
pub async fn check(store: &dyn StoreUnderTest) -> Result<usize, Violations> {
    check_all(cases(), store).await
}

/// Checks a store against one law; returns the number of cases.
///
/// # Errors
///
/// Returns [`Violations`] with every case that failed.
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

/// The cases that a store failed, each with its violation.
pub struct Violations(Vec<(Case, Violation)>);

impl Violations {
    /// Returns the cases that failed, in the order of the laws.
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

/// Prints one case per line, as `Display` does, since an `unwrap` in a test prints it.
impl fmt::Debug for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Violations {}
