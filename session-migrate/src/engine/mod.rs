//! The phases of a move, and what they work with.
//!
//! [`MoveContext`] holds the opened databases and the [`MappedTable`]s; a [`Worker`] carries a move
//! through `load`, `catch_up`, `converge` and `cutover`, each of which writes by `reconcile` or in
//! bulk. `compare` reads both sides and `examine` tells how a row differs.

mod batch;
mod captures;
mod catch_up;
mod compare;
mod context;
mod converge;
mod cutover;
mod examine;
mod extras;
mod findings;
mod load;
mod mapped_table;
mod open;
mod reconcile;
mod throttle;
mod worker;

pub(crate) use batch::{Scan, Stopwatch, decode};
pub(crate) use captures::Captures;
pub(crate) use catch_up::{Until, catch_up};
pub(crate) use compare::Comparison;
pub(crate) use context::MoveContext;
pub(crate) use converge::{confirm, converge_online};
pub(crate) use cutover::cutover;
pub(crate) use examine::{Examined, Outcome, RowState};
pub(crate) use extras::{SurplusRows, Totals, count_rows, extra_ids, totals};
pub(crate) use findings::Findings;
pub(crate) use load::load;
pub(crate) use mapped_table::{MappedTable, over_cap_threshold};
pub(crate) use open::{CONNECTIONS, open, open_target, open_unmapped};
pub(crate) use worker::Worker;
