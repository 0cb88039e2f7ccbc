//! The side that is written: `login_session`, and what is set aside beside it.
//!
//! `arrival` decides what becomes of a row, `sealed` makes it ready, `table` writes it, and
//! `standing` is what is found there later.

mod arrival;
mod columns;
mod id;
mod indexes;
mod insert;
mod sealed;
mod standing;
mod stored;
mod table;

pub(crate) use arrival::{ASSUMED_LIFETIME, Fate, Gate, LiveRow, Reason};
pub(crate) use columns::check_columns;
pub(crate) use id::{of_move, of_row};
pub(crate) use indexes::{create_indexes, creating, drop_indexes, dropping, is_empty};
pub(crate) use sealed::{Content, Ready, is_one_aside, is_set_aside, ready};
pub(crate) use standing::{Standing, TargetRow};
pub(crate) use stored::hex;
pub(crate) use table::{TargetTable, insert_template, uuid_literal};
