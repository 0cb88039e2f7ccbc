//! What is noted of a move, in the target's database and in the transaction of what was done.

mod model;
mod place;
mod table;

pub use model::{Counts, Phase};
pub(crate) use model::{Journal, Place};
pub(crate) use table::{JournalTable, Note, exists};
