//! Where a source keeps its token sets: the mapping, and its form in TOML.
//!
//! A file holds one or more mappings. Several on one table unpivot it: a row of users with columns
//! for two providers is two token sets.
//!
//! ```
//! use session_migrate::source::Mappings;
//!
//! let text = r#"
//!     [[mapping]]
//!     name = "github"
//!     table = "users"
//!     key = ["id"]
//!     user = { column = "id" }
//!     provider = { constant = "github" }
//!     account = { column = "github_id" }
//!     tokens.access = { column = "github_token" }
//!     tokens.refresh = { column = "github_refresh_token" }
//!     filter = [{ column = "github_token", is = "not_null" }]
//! "#;
//! let mappings = Mappings::from_toml(text).unwrap();
//! assert_eq!(mappings.mapping[0].table, "users");
//!
//! let error = Mappings::from_toml("[[mapping]]\ntable = \"users\"\nusr = 1\n").unwrap_err();
//! assert_eq!((error.line(), error.column(), error.path()), (3, 1, "mapping[0].usr"));
//! ```

mod check;
pub(crate) mod columns;
mod model;
mod sources;
mod time;
mod toml;

pub use self::toml::MappingError;
pub(crate) use self::toml::{error_at, read_toml};
pub use model::{Cookie, IdentitySources, Join, Mapping, Mappings, NewestBy, Parent, TokenSources};
pub use sources::{
    ColumnPath, Filter, FilterValue, ProviderSource, Test, TokenSource, ValueSource,
};
pub use time::{TimeSource, Unit, UnknownZone, Zone};

#[cfg(test)]
mod tests;
