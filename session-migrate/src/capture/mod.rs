//! Captures the writes of an application to a source that is being moved, and blocks them at the
//! cutover; both by triggers.

mod cascade;
mod change;
mod change_capture;
mod log;
mod log_triggers;
mod objects;
mod owner;
mod remains;
mod retry_budget;
mod schema_change;
mod trigger;

pub use change::{Change, ChangeId, ChangedRows};
pub use change_capture::{CaptureState, CaptureStatements, ChangeCapture};
pub use owner::CaptureOwner;
pub(crate) use remains::{Block, ChangeLog, Remains, blocks, remains, remove_remains};
pub use retry_budget::RetryBudget;
