//! The floor under everything that speaks SQL: dialects, statements, values, the classes of
//! database errors, transactions, connections, and the schema of a live database.
//!
//! It knows neither sources nor targets. Every statement on either fails with a [`SqlError`].

mod cascade;
mod classify;
mod dialect;
mod encoding;
mod error;
pub(crate) mod pool;
mod query;
mod schema;
mod sqlite_file;
mod table;
mod value;

pub(crate) use cascade::{CascadingKey, KeyAction};
pub(crate) use dialect::Dialect;
pub(crate) use encoding::other_encoding;
pub(crate) use error::RedactedDbError;
pub use error::{SqlError, SqlErrorKind};
pub(crate) use pool::begin;
pub use pool::connect_read_only;
pub(crate) use query::{CellReader, Query};
pub use schema::Schema;
pub(crate) use schema::{InboundKey, has_index_on, inbound_keys};
pub(crate) use sqlite_file::sqlite_file;
pub use table::{Column, ColumnKind, Table};
pub use value::Cell;
