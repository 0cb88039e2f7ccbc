//! Times in a mapping: column, unit and zone.

use std::fmt;
use std::str::FromStr;

use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use super::ColumnPath;

/// Where a time is, and its unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TimeSource {
    /// The column's name, in the database's own spelling.
    pub column: String,
    /// The name of the join whose table it belongs to; none for the mapped table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// The path into the column's JSON, from the outermost name inwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The unit of the value.
    pub unit: Unit,
    /// The zone of times without one: a name such as `Europe/Berlin`, an offset such as `+02:00`,
    /// or
    /// `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// For the unit `relative`: the times that it may count from, of which the first with a value
    /// is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relative_to: Vec<Self>,
}

/// The unit of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Seconds since 1970, whole or not, as a number or as its text.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds since 1970.
    #[serde(rename = "ms")]
    Milliseconds,
    /// The database's own date or time type, with a zone or without; without one, `zone` is needed.
    /// A number in such a column of SQLite counts milliseconds from 100,000,000,000 on, and seconds
    /// below.
    Timestamp,
    /// ISO 8601 text, with an offset or `Z`, or in `zone`.
    Iso,
    /// Seconds after one of `relative_to`. From two years on, the value counts seconds since 1970,
    /// as python-social-auth does.
    Relative,
}

impl TimeSource {
    /// Creates the source of a time in a column of the mapped table.
    pub fn column(name: impl Into<String>, unit: Unit) -> Self {
        let relative_to = Vec::new();
        Self { column: name.into(), join: None, path: Vec::new(), unit, zone: None, relative_to }
    }

    /// Returns where the time is, without its unit.
    #[must_use]
    pub fn column_path(&self) -> ColumnPath {
        ColumnPath { column: self.column.clone(), join: self.join.clone(), path: self.path.clone() }
    }
}

/// A time zone, by name or offset.
///
/// ```
/// use session_migrate::source::mapping::Zone;
///
/// assert!("Europe/Berlin".parse::<Zone>().is_ok());
/// assert_eq!("-05:30".parse::<Zone>().unwrap().to_string(), "-05:30");
/// assert!("Middle/Earth".parse::<Zone>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, schemars(with = "String"))]
pub struct Zone(String);

/// A text that is not a time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a time zone: give a name of the IANA database (\"Europe/Berlin\"), \
     an offset (\"+02:00\") or \"UTC\""
)]
pub struct UnknownZone(String);

impl Zone {
    /// Returns UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self("UTC".to_owned())
    }

    pub(crate) fn time_zone(&self) -> Option<TimeZone> {
        if self.0 == "UTC" {
            return Some(TimeZone::UTC);
        }
        offset(&self.0).map(TimeZone::fixed).or_else(|| TimeZone::get(&self.0).ok())
    }
}

/// Parses `+HH:MM` or `-HH:MM`.
fn offset(text: &str) -> Option<Offset> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let digits = |part: &str| {
        let number: Option<i32> = part.parse().ok();
        number.filter(|_| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let is_offset = hours <= 15 && minutes < 60;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok().filter(|_| is_offset)
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(text: &str) -> Result<Self, UnknownZone> {
        let zone = Self(text.to_owned());
        if zone.time_zone().is_some() { Ok(zone) } else { Err(UnknownZone(text.to_owned())) }
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(text: String) -> Result<Self, UnknownZone> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
