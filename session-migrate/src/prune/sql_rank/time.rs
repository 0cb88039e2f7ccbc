//! Times that the database orders as this process does.

use crate::source::{Bound, NewestBy, Slot, TimeSlot, mapping::Unit};
use crate::sql::{ColumnKind, Dialect};

/// The last millisecond and the last second of a time: the end of the year 9999.
const MAX_MILLIS: &str = "253402300799999";
const MAX_SECONDS: &str = "253402300799";

/// Returns an expression that is higher for newer rows, equal where the milliseconds are equal, and
/// `NULL` for rows without a time; and the condition under which it is doubtful. Returns `None` if
/// SQL cannot tell the time.
pub(super) fn order(bound: &Bound, newest: Option<NewestBy>) -> Option<(String, Option<String>)> {
    let slot = match newest {
        None => return Some(("NULL".to_owned(), None)),
        Some(NewestBy::Created) => bound.created.as_ref()?,
        Some(NewestBy::Renewed) => bound.renewed.as_ref()?,
        Some(NewestBy::Used) => bound.used.as_ref()?,
    };
    if !slot.path.is_empty() || slot.unit == Unit::Relative {
        return None;
    }
    let column = bound.slot(slot.at).ok()?;
    match bound.dialect {
        Dialect::Sqlite => Some(sqlite(slot, &column.sql)),
        dialect => server(slot, column, dialect).map(|order| (order, None)),
    }
}

/// A column of SQLite can hold any storage class. SQL does not parse times in text. Fractions are
/// rounded down, after 0.05 ms for what seconds with a fraction have lost, as in this process.
fn sqlite(slot: &TimeSlot, column: &str) -> (String, Option<String>) {
    let seconds = format!("CAST({column} AS REAL) * 1000.0");
    let millis = match slot.unit {
        Unit::Seconds => seconds,
        Unit::Milliseconds => format!("CAST({column} AS REAL)"),
        _ => format!(
            "CASE WHEN abs(CAST({column} AS REAL)) < 100000000000.0 THEN {seconds} ELSE CAST({column} AS REAL) END"
        ),
    };
    let order = format!(
        "CASE WHEN typeof({column}) IN ('integer', 'real') AND ({millis}) BETWEEN 0.0 AND {MAX_MILLIS}.0 \
         THEN CAST(({millis}) + 0.05 AS INTEGER) END"
    );
    (order, Some(format!("typeof({column}) IN ('text', 'blob')")))
}

fn server(slot: &TimeSlot, column: &Slot, dialect: Dialect) -> Option<String> {
    let sql = &column.sql;
    match (slot.unit, column.column.kind) {
        (Unit::Seconds, ColumnKind::Integer) => {
            Some(format!("CASE WHEN {sql} BETWEEN 0 AND {MAX_SECONDS} THEN {sql} END"))
        }
        (Unit::Milliseconds, ColumnKind::Integer) => {
            Some(format!("CASE WHEN {sql} BETWEEN 0 AND {MAX_MILLIS} THEN {sql} END"))
        }
        (Unit::Timestamp, ColumnKind::ZonedTime) => Some(time(sql, column, dialect)),
        (Unit::Timestamp, ColumnKind::NaiveTime) => {
            // In a zone with daylight saving time an hour of autumn occurs twice.
            let zone = slot.zone.as_ref()?.to_string();
            let is_fixed = zone == "UTC" || zone.starts_with(['+', '-']);
            is_fixed.then(|| time(sql, column, dialect))
        }
        _ => None,
    }
}

/// Truncates a time to milliseconds. A time outside of the supported years is none.
fn time(sql: &str, column: &Slot, dialect: Dialect) -> String {
    let is_finer = ["(4)", "(5)", "(6)"].iter().any(|it| column.column.declared.contains(it));
    match dialect {
        Dialect::Postgres => format!(
            "CASE WHEN {sql} BETWEEN '0001-01-02' AND '9999-12-30' \
             THEN date_trunc('milliseconds', {sql}) END"
        ),
        _ if is_finer => {
            format!("CASE WHEN {sql} >= '1000-01-01' THEN LEFT(CAST({sql} AS CHAR), 23) END")
        }
        _ => format!("CASE WHEN {sql} >= '1000-01-01' THEN {sql} END"),
    }
}
