//! What every part of a move works with, and the steps that it goes through.

mod catch_up;
mod compare;
mod examine;
mod extras;
mod fill;
mod findings;
mod gates;
mod model;
mod open;
mod pass;
mod rank;
mod reconcile;
mod settle;
mod switch;
mod transaction;
mod verdict;
mod watches;
mod work;

pub(crate) use crate::sql::begin;
pub(crate) use catch_up::{Until, drain};
pub(crate) use compare::Comparison;
pub(crate) use examine::{Examined, State};
pub(crate) use extras::{Totals, extras, totals};
pub(crate) use fill::fill;
pub(crate) use findings::Findings;
pub(crate) use model::Ground;
pub(crate) use open::{open, open_target};
pub(crate) use pass::{Pass, Stopwatch, each};
pub(crate) use rank::rank;
pub(crate) use settle::round;
pub(crate) use switch::switch;
pub(crate) use transaction::is_transient;
pub(crate) use verdict::{crowd_size, pruned};
pub(crate) use watches::Watches;
pub(crate) use work::Work;
