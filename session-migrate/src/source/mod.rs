//! The source of a move: where a database that was built for one session per user keeps its tokens,
//! how they are encrypted, and what is in them. A rollback writes renewed
//! tokens back; everything else only reads.
//!
//! | word | meaning |
//! |---|---|
//! | [`Mapping`] | which columns hold key, user, provider, tokens and times; in TOML, or from a [`Preset`] |
//! | [`Preset`] | the mapping of a known project, adapted to the schema at hand |
//! | [`TokenCodec`] | how a project encrypts tokens; [`Codecs`] holds them by name, with the keys |
//! | [`SourceTable`] | reads the mapped rows in batches, in a total order |
//! | [`SourceRow`] | one token set, decrypted as far as possible, and as it was stored |
//! | [`inspect()`] | which presets match a database and why, and what its tables hold |
//!
//! # Example: the rows of a mapped table
//!
//! ```
//! use sea_orm_migration::sea_orm::{ConnectionTrait, Database};
//! use session_migrate::source::{Codecs, Mappings, Schema, SourceKeys, SourceTable};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let connection = Database::connect("sqlite::memory:").await?;
//! connection
//!     .execute_unprepared(
//!         "CREATE TABLE grants (id INTEGER PRIMARY KEY, person TEXT, token TEXT, until INTEGER);
//!          INSERT INTO grants VALUES (1, 'ann', 'at-1', 1760000000), (2, 'bob', 'at-2', NULL)",
//!     )
//!     .await?;
//! let mappings = Mappings::from_toml(
//!     r#"
//!     [[mapping]]
//!     table = "grants"
//!     key = ["id"]
//!     user = { column = "person" }
//!     provider = { constant = "github" }
//!     tokens.access = { column = "token" }
//!     expires = [{ column = "until", unit = "s" }]
//!     "#,
//! )?;
//! let schema = Schema::read(&connection).await?;
//! let codecs = Codecs::new(SourceKeys::none());
//! let table = SourceTable::open(&connection, &schema, &mappings.mapping[0], &codecs).await?;
//! let (rows, end) = table.batch(&connection, None, 100).await?;
//! assert_eq!((rows.len(), end), (2, None));
//! assert_eq!(rows[0].user.as_deref(), Some("ann"));
//! assert_eq!(rows[0].tokens.opened().unwrap().access(), Some("at-1"));
//! assert_eq!(rows[0].expires_at.unwrap().as_millis(), 1_760_000_000_000);
//! # Ok(())
//! # }
//! ```
//!
//! # Security
//!
//! Keys, plaintexts and stored values are never printed: `Debug` shows classes and sizes. Keys and
//! decrypted tokens are wiped on drop; the database driver's buffers are not.

mod bind;
pub mod codec;
mod error;
mod identity;
pub mod inspect;
mod key_probe;
pub mod mapping;
mod preset;
mod raw_json;
mod read;
pub mod row;
mod row_location;
mod time;
mod write;

/// Tables and columns of a schema.
pub mod schema {
    pub use crate::sql::{Column, ColumnKind, Table};
}

pub use crate::sql::{Cell, Schema, SqlError, SqlErrorKind, connect_read_only};
pub(crate) use bind::BASE;
pub(crate) use bind::{Bound, ProviderSlot, Relation, Slot, TimeSlot, TokenSlot, ValueSlot};
pub(crate) use codec::KeyPrints;
pub use codec::{CodecError, Codecs, KeyUse, Opened, SourceKeys, TokenCodec};
pub use error::{SourceError, SourceErrorKind};
pub(crate) use identity::SourceIdentity;
pub use inspect::{Inspection, inspect};
pub use mapping::{Mapping, MappingError, Mappings, NewestBy};
pub(crate) use mapping::{error_at, read_toml};
pub use preset::{Match, Mismatch, Preset, Recognition};
pub use read::{Cursor, InvalidCursor, SourceTable};
#[doc(hidden)]
pub use read::{ListOn, UserCursor};
pub(crate) use read::{RawRow, UserOrder, exact};
pub use row::{RowTokens, SourceKey, SourceRow};
pub(crate) use row_location::{row_location, row_location_type};
pub(crate) use write::NewRow;
#[doc(hidden)]
pub use write::RenewedTokens;
