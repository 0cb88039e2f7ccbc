//! The phases of a move, each of which can be left at any point and gone on with.
//!
//! `fill` moves the bulk, `rank` the crowds, `catch_up` what was written meanwhile; `settle`
//! compares both sides and repairs; `switch` opens the target. `reconcile` is the one operation
//! that makes the target what some rows of the source ask for.

mod catch_up;
mod compare;
mod examine;
mod extras;
mod fill;
mod findings;
mod pass;
mod rank;
mod reconcile;
mod settle;
mod switch;
mod verdict;
mod watches;
mod work;

pub(crate) use catch_up::{Until, drain};
pub(crate) use compare::Comparison;
pub(crate) use examine::{Examined, State};
pub(crate) use extras::{Totals, extras, totals};
pub(crate) use fill::fill;
pub(crate) use findings::Findings;
pub(crate) use pass::{Pass, Stopwatch, each};
pub(crate) use rank::rank;
pub(crate) use settle::round;
pub(crate) use switch::switch;
pub(crate) use verdict::{crowd_size, pruned};
pub(crate) use watches::Watches;
pub(crate) use work::Work;
