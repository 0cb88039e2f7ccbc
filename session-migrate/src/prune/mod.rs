//! Enforces a cap in place, on a mapped table that keeps its own layout.
//!
//! The rows over the cap, the *victims*, are copied with every column into an archive table beside
//! the source's table, in the transaction that deletes them. [`PruneReport::undo`] has the
//! statements that put them back.
//!
//! A run first notes the victims in a temporary table, which no other connection sees and which
//! ends with the run's connection. Then it archives and deletes them in short transactions, and
//! only rows that have not changed since they were ranked; changed rows are ranked again. A run
//! that is killed leaves nothing half done, and the next run continues.
//!
//! The victims are those that the policy evicts at a login: the rows of each over-cap partition are
//! read and ranked by [`rank`](crate::cap::rank). Where the database alone can tell all
//! that the rank depends on, a fast path ranks all rows in one SQL statement instead
//! ([`PrunePlan::is_set_based`]). Property tests hold both equal.
//!
//! # Example: at most two sessions for each user
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//!
//! use session_migrate::Layout;
//! use session_migrate::cap::Cap;
//! use session_migrate::prune::Prune;
//! use session_migrate::source::{Codecs, SourceKeys};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let layout = Layout::Preset("openwebui".parse()?);
//! let codecs = Codecs::new(SourceKeys::new("the application's secret"));
//! let cap = Cap::max_sessions(2.try_into()?);
//! for prune in Prune::of_layout("sqlite://webui.db", &layout, &codecs, &cap).await? {
//!     println!("{} rows would be pruned", prune.plan().await?.pruned);
//!     let report = prune.apply(|progress| println!("{progress:?}"), &AtomicBool::new(false)).await?;
//!     println!("to restore them: {}", report.undo.join(";\n"));
//! }
//! # Ok(())
//! # }
//! ```

mod archive;
mod error;
mod policy_rank;
mod referrers;
mod remove;
mod report;
mod run;
mod sql_rank;
mod survey;
mod table;
mod victims;

#[cfg(test)]
mod tests;

pub use error::{PruneError, PruneErrorKind};
pub use report::{
    ProviderPrune, PrunePlan, PruneProgress, PruneReport, PruneVictim, ReferringRows,
};
pub use run::Prune;
