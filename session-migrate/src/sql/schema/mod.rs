//! The schema of a live database, as far as reading a source needs it.

mod kind;
mod model;
mod mysql;
mod postgres;
mod read;
mod sqlite;

pub use kind::ColumnKind;
pub use model::{Column, Schema, Table};
