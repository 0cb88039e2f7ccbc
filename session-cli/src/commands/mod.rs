//! What the command does: one function for each task.

mod doctor;
mod history;
mod keys;
mod sessions;

pub(crate) use doctor::doctor;
pub(crate) use history::history;
pub(crate) use keys::{reseal, revoke};
pub(crate) use sessions::{end_all, end_one, list, purge, stats};
