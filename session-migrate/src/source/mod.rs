//! The side that is read.

mod bind;
mod codec;
mod connect;
mod data_keys;
mod dialect;
mod error;
mod inspect;
mod mapping;
mod pattern;
mod preset;
mod query;
mod read;
mod row;
mod schema;
mod time;
mod value;

pub use codec::{
    BetterAuth, CodecError, Codecs, DataKeys, Fernet, Grafana, KeyUse, Laravel, Opened, Outline,
    Plain, SourceKeys, TokenCodec,
};
pub use connect::connect_read_only;
pub use error::{SourceError, SourceErrorKind};
pub use inspect::{
    Inspection, MissReport, ProviderReport, RecognisedReport, SourceReport, Tally, inspect,
    inspect_mapping,
};
pub use mapping::{
    Cookie, Filter, FilterValue, IdentitySources, Join, Mapping, MappingError, Mappings, NewestBy,
    Parent, Place, ProviderSource, Test, TimePlace, TokenPlace, TokenSources, Unit,
    UnknownZone, ValueSource, Zone,
};
pub use preset::{Fit, Miss, Preset, Recognition};
pub use read::{Cursor, InvalidCursor, SourceTable};
pub use row::{
    Expiry, OpenedTokens, RowTokens, SourceKey, SourceRow, StoredColumn, Unreadable,
    UnreadableReason,
};
pub use schema::{Column, ColumnKind, Schema, Table};
pub use value::Cell;
