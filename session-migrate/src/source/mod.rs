//! The side that is read: where tokens lie in a database that was built for one session a user, how
//! they are encrypted, and what is in them. Nothing here writes, but for what a [`Watch`] puts beside
//! a table that others go on writing, and for [`SourceTable::write_back`], which is for a rollback.
//!
//! | word | meaning |
//! |---|---|
//! | [`Mapping`] | what lies where: key, user, provider, tokens, times; in TOML, or by a [`Preset`] |
//! | [`Preset`] | the mapping of a known project, fitted to the schema at hand |
//! | [`TokenCodec`] | how a project encrypts tokens; [`Codecs`] has them by name, with the keys |
//! | [`SourceTable`] | reads the mapped rows in batches, in a total order |
//! | [`SourceRow`] | one token set, opened as far as it can be, and as it was stored |
//! | [`Watch`] | notes the writes of others in a change log, and refuses them at the end |
//! | [`RenewedTokens`] | what a rollback writes back into such a row |
//! | [`inspect`] | which presets a database is of and why, and what its tables hold |
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
//! opened tokens are wiped on drop; the driver's own buffers are not in our hands.

mod bind;
mod codec;
mod data_keys;
mod error;
mod inspect;
mod mapping;
mod pattern;
mod place;
mod preset;
mod read;
mod row;
mod time;
mod write;

pub use crate::sql::Cell;
pub(crate) use crate::sql::Dialect;
pub use crate::sql::connect_read_only;
pub(crate) use crate::sql::{CellReader, Query};
pub use crate::sql::{Column, ColumnKind, Schema, SqlError, SqlErrorKind, Table};
pub(crate) use bind::{Bound, ProviderSlot, Relation, Slot, TimeSlot, TokenSlot, ValueSlot};
pub use codec::{
    BetterAuth, CodecError, Codecs, DataKeys, Fernet, Grafana, KeyUse, Laravel, Opened, Outline,
    Plain, SourceKeys, TokenCodec,
};
pub use error::{SourceError, SourceErrorKind};
pub use inspect::{
    Inspection, MissReport, ProviderReport, RecognisedReport, SourceReport, Tally, inspect,
    inspect_mapping,
};
pub use mapping::{
    Cookie, Filter, FilterValue, IdentitySources, Join, Mapping, MappingError, Mappings, NewestBy,
    Parent, Place, ProviderSource, Test, TimePlace, TokenPlace, TokenSources, Unit, UnknownZone,
    ValueSource, Zone,
};
pub(crate) use mapping::{misfit_at, read_toml};
pub(crate) use place::{place, place_type};
pub use preset::{Fit, Miss, Preset, Recognition};
pub(crate) use read::exact;
pub use read::{CrowdedPairs, Cursor, InvalidCursor, PairCursor, SourceTable};
pub(crate) use read::{RawBatch, RawRow};
pub use row::{
    Expiry, OpenedTokens, RowTokens, SourceKey, SourceRow, StoredColumn, Unreadable,
    UnreadableReason,
};
pub use write::RenewedTokens;
