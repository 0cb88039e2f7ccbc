//! Moments that the database can order as they are ordered here.

use crate::source::{Bound, NewestBy, Slot, TimeSlot, mapping::Unit};
use crate::sql::{ColumnKind, Dialect};

/// The last millisecond that is a moment: the end of the year 9999.
const LAST: &str = "253402300799999";
const LAST_SECOND: &str = "253402300799";

/// An expression that is higher for what is newer, `NULL` where there is no moment, and equal
/// where milliseconds are; with what makes it doubtful. None if SQL cannot tell.
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

/// A column of SQLite holds values of any class; what a text says, only a reader can tell.
fn sqlite(slot: &TimeSlot, column: &str) -> (String, Option<String>) {
    let seconds = format!("CAST({column} AS REAL) * 1000.0");
    let millis = match slot.unit {
        Unit::Seconds => seconds,
        Unit::Milliseconds => format!("CAST({column} AS REAL)"),
        _ => format!(
            "CASE WHEN abs({column}) < 100000000000.0 THEN {seconds} ELSE CAST({column} AS REAL) END"
        ),
    };
    let order = format!(
        "CASE WHEN typeof({column}) IN ('integer', 'real') AND ({millis}) BETWEEN 0.0 AND {LAST}.0 \
         THEN CAST({millis} AS INTEGER) END"
    );
    (order, Some(format!("typeof({column}) IN ('text', 'blob')")))
}

fn server(slot: &TimeSlot, column: &Slot, dialect: Dialect) -> Option<String> {
    let sql = &column.sql;
    match (slot.unit, column.column.kind) {
        (Unit::Seconds, ColumnKind::Integer) => {
            Some(format!("CASE WHEN {sql} BETWEEN 0 AND {LAST_SECOND} THEN {sql} END"))
        }
        (Unit::Milliseconds, ColumnKind::Integer) => {
            Some(format!("CASE WHEN {sql} BETWEEN 0 AND {LAST} THEN {sql} END"))
        }
        (Unit::Timestamp, ColumnKind::ZonedTime) => Some(time(sql, column, dialect)),
        (Unit::Timestamp, ColumnKind::NaiveTime) => {
            // In other zones an hour of autumn comes twice.
            let zone = slot.zone.as_ref()?.to_string();
            let is_even = zone == "UTC" || zone.starts_with(['+', '-']);
            is_even.then(|| time(sql, column, dialect))
        }
        _ => None,
    }
}

/// To the millisecond; what lies outside of the years that can be read is none.
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
