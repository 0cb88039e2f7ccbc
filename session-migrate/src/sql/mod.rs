//! The floor under everything that speaks SQL: dialect, queries, values, error classes, pools and
//! the schema of a live database.

mod complaint;
mod connect;
mod dialect;
pub(crate) mod pool;
mod query;
mod schema;
mod storage;
mod value;

pub(crate) use complaint::{Complaint, is_contended};
pub use connect::connect_read_only;
pub(crate) use dialect::Dialect;
pub(crate) use query::{CellReader, Query};
pub use schema::{Column, ColumnKind, Schema, Table};
pub use value::Cell;
