//! Enforces a cap in place, on a mapped table that keeps its own layout.
//!
//! What leaves goes to an archive table beside the source's, in the transaction that deletes it,
//! with every column as it was. [`PruneReport::undo`] has the statements that put it back.
//!
//! Two ways lead to the same victims. Where the database itself can tell which rows are usable
//! and what parts them, one statement ranks them all; else crowds are read, opened and ranked
//! here, by [`rank`](crate::cap::rank). What is to go is noted in a temporary table,
//! which no other connection sees and which ends with ours; it is worked off in short
//! transactions, each of which takes only rows that still are what was ranked. So a run that is
//! killed leaves nothing behind, and the next one goes on.
//!
//! # Example: three rows of one user, two places
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//!
//! use session_migrate::cap::Cap;
//! use session_migrate::prune::Prune;
//! use session_migrate::source::{Codecs, Preset, Schema, SourceKeys, connect_read_only};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "sqlite://webui.db";
//! let schema = Schema::read(&connect_read_only(url).await?).await?;
//! let Ok(fit) = "openwebui".parse::<Preset>()?.match_schema(&schema) else { return Ok(()) };
//! let codecs = Codecs::new(SourceKeys::new("the application's secret"));
//! let cap = Cap::max_sessions(2.try_into()?);
//! let prune = Prune::new(url, fit.mappings.mapping[0].clone(), codecs, cap);
//! println!("{} rows would go", prune.plan().await?.pruned);
//! let report = prune.apply(|progress| println!("{progress:?}"), &AtomicBool::new(false)).await?;
//! println!("to put them back: {}", report.undo.join(";\n"));
//! # Ok(())
//! # }
//! ```

mod archive;
mod crowds;
mod error;
mod moment;
mod ranked;
mod remove;
mod report;
mod run;
mod session;
mod survey;
mod usable;
mod work;

pub use error::{PruneError, PruneErrorKind};
pub use report::{PlannedVictim, ProviderPrune, PrunePlan, PruneProgress, PruneReport};
pub use run::Prune;
