//! Writes of others to a source that is being moved: noted by triggers, and at the end refused.

mod bar;
mod log_triggers;

mod differ;
mod entry;
mod log;
mod names;
mod object;
mod patience;
mod probe;
mod script;
mod trigger;
mod watch;

pub use entry::ChangeId;
pub use patience::Patience;
pub use watch::{Change, ChangedRows, Standing, Watch, WatchStatements};
