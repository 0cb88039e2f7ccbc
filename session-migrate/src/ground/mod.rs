//! What every part of a move stands on: the open databases, the mapped tables, the keys.

mod gates;
mod model;
mod open;
mod transaction;

pub(crate) use model::Ground;
pub(crate) use open::{open, open_target};
pub(crate) use transaction::{begin, is_transient};
