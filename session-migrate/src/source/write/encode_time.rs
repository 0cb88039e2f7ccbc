//! The inverse of reading a time: encodes it in the unit and the form of a stored one.

use session_core::Timestamp;

use super::time_format::TimeFormat;
use crate::source::mapping::{Unit, Zone};
use crate::source::time::{self, MILLISECONDS_FROM, Moment};
use crate::sql::Cell;

/// How a column encodes times by its type, where the stored value does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeEncoding {
    Integer,
    Real,
    Text,
    /// A column of a date or time type, which has its own format whatever it stores.
    Time(TimeFormat),
}

/// Returns a cell that reads as this time, or as the last one before it that unit and encoding can
/// express; `None` where they can express none.
///
/// A time without a zone cannot express the second of two equal hours in autumn, and becomes the
/// first: a token that seems to expire early is renewed early.
pub(super) fn moment(
    at: Timestamp,
    unit: Unit,
    zone: Option<&Zone>,
    like: &Cell,
    encoding: TimeEncoding,
) -> Option<Cell> {
    let millis = at.as_millis();
    match unit {
        Unit::Seconds | Unit::Relative => Some(counted(millis, 1000, like, encoding)),
        Unit::Milliseconds => Some(counted(millis, 1, like, encoding)),
        Unit::Timestamp | Unit::Iso => match encoding {
            TimeEncoding::Time(format) => format.write(at, zone).map(Cell::Text),
            _ if is_numbered(like, encoding) => Some(numbered(at, like, encoding)),
            _ => text(at, zone, like),
        },
    }
}

/// Returns a duration in milliseconds as a number of seconds.
pub(super) fn span(millis: i64, like: &Cell, encoding: TimeEncoding) -> Cell {
    counted(millis, 1000, like, encoding)
}

/// Returns whether a unit's values are texts, apart from numbers in SQLite.
pub(super) const fn is_text(unit: Unit) -> bool {
    matches!(unit, Unit::Timestamp | Unit::Iso)
}

/// Returns whether a column stores times as numbers, by its value or else by its type.
fn is_numbered(like: &Cell, encoding: TimeEncoding) -> bool {
    let is_form = matches!(encoding, TimeEncoding::Integer | TimeEncoding::Real);
    let is_text = like.as_text().is_some_and(|like| TimeFormat::of(&like).is_some());
    !like.is_empty() && time::number(like).is_some() || is_form && !is_text
}

fn text(at: Timestamp, zone: Option<&Zone>, like: &Cell) -> Option<Cell> {
    let stored = like.as_text().unwrap_or_default();
    let text = TimeFormat::of(&stored).unwrap_or(TimeFormat::iso()).write(at, zone)?;
    Some(match like {
        Cell::Bytes(_) => Cell::Bytes(text.into_bytes()),
        _ => Cell::Text(text),
    })
}

/// Returns a number for a time column, where its size decides the unit.
fn numbered(at: Timestamp, like: &Cell, encoding: TimeEncoding) -> Cell {
    let is_millis = time::number(like).is_some_and(|number| number.abs() >= MILLISECONDS_FROM);
    let (first, second) = if is_millis { (1, 1000) } else { (1000, 1) };
    let cell = counted(at.as_millis(), first, like, encoding);
    // Milliseconds before 1973 would be read as seconds, seconds after 5138 as milliseconds.
    let is_read = |cell: &Cell| {
        let read = time::moment(cell, Unit::Timestamp, None).at();
        read.is_some_and(|read| at.as_millis().abs_diff(read.as_millis()) < 1000)
    };
    if is_read(&cell) { cell } else { counted(at.as_millis(), second, like, encoding) }
}

/// Returns a count of milliseconds (a `step` of 1) or seconds (1000) in the class of `like`.
fn counted(millis: i64, step: i64, like: &Cell, encoding: TimeEncoding) -> Cell {
    let text = |digits: usize| decimal(millis, step, digits);
    match like {
        Cell::Integer(_) => Cell::Integer(millis.div_euclid(step)),
        Cell::Real(_) => real(millis, step),
        Cell::Text(like) if digits(like).is_some() => {
            Cell::Text(text(digits(like).unwrap_or_default()))
        }
        Cell::Bytes(_) => {
            let like = like.as_text();
            Cell::Bytes(text(like.and_then(|like| digits(&like)).unwrap_or_default()).into_bytes())
        }
        _ => match encoding {
            TimeEncoding::Integer => Cell::Integer(millis.div_euclid(step)),
            TimeEncoding::Real => real(millis, step),
            TimeEncoding::Text | TimeEncoding::Time(_) => Cell::Text(text(0)),
        },
    }
}

/// Returns how many digits a number has after its point; `None` if the text is not a number.
fn digits(text: &str) -> Option<usize> {
    let text = text.trim();
    text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    Some(fraction.bytes().take_while(u8::is_ascii_digit).count())
}

/// Returns the count with so many digits after the point, truncated.
fn decimal(millis: i64, step: i64, digits: usize) -> String {
    let whole = millis.div_euclid(step);
    if digits == 0 {
        return whole.to_string();
    }
    let fraction =
        if step == 1000 { format!("{:03}", millis.rem_euclid(1000)) } else { String::new() };
    let mut fraction = format!("{fraction:0<digits$}");
    fraction.truncate(digits);
    format!("{whole}.{fraction}")
}

/// Returns the nearest number that is not below this count: from one below it, a reader would
/// truncate one millisecond.
fn real(millis: i64, step: i64) -> Cell {
    let number: f64 = decimal(millis, step, 3).parse().unwrap_or_default();
    let unit = if step == 1000 { Unit::Seconds } else { Unit::Milliseconds };
    let is_short = match time::moment(&Cell::Real(number), unit, None) {
        Moment::At(read) => read.as_millis() < millis,
        _ => false,
    };
    Cell::Real(if is_short { number.next_up() } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use session_core::Timestamp;

    use super::{TimeEncoding, TimeFormat, moment, span};
    use crate::source::mapping::{Unit, Zone};
    use crate::source::time;
    use crate::sql::Cell;

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    /// Stored values, and the milliseconds in the last digit that each keeps.
    fn places() -> Vec<(Unit, Cell, TimeEncoding, i64)> {
        let (time, second) =
            (|digits, zoned| TimeEncoding::Time(TimeFormat::column(digits, zoned)), 1000);
        let mut places = vec![
            (Unit::Seconds, Cell::Integer(7), TimeEncoding::Integer, second),
            (Unit::Seconds, Cell::Real(7.5), TimeEncoding::Integer, 1),
            (Unit::Seconds, text("7"), TimeEncoding::Integer, second),
            (Unit::Seconds, text("7.25"), TimeEncoding::Text, 10),
            // Read as a binary number, which can be just below its last digit.
            (Unit::Seconds, text("7.0000"), TimeEncoding::Text, 2),
            (Unit::Seconds, Cell::Bytes(b"7".to_vec()), TimeEncoding::Text, second),
            (Unit::Seconds, text("soon"), TimeEncoding::Integer, second),
            (Unit::Seconds, Cell::Null, TimeEncoding::Real, 1),
            (Unit::Seconds, Cell::Null, TimeEncoding::Text, second),
            (Unit::Milliseconds, Cell::Integer(7), TimeEncoding::Integer, 1),
            (Unit::Milliseconds, Cell::Real(7.5), TimeEncoding::Real, 1),
            (Unit::Milliseconds, text("7"), TimeEncoding::Text, 1),
            (Unit::Milliseconds, Cell::Null, TimeEncoding::Integer, 1),
            (Unit::Timestamp, Cell::Null, time(3, true), 1),
            (Unit::Timestamp, text("x"), time(0, false), second),
            (Unit::Timestamp, Cell::Null, TimeEncoding::Text, 1),
            (Unit::Iso, text("tomorrow"), TimeEncoding::Text, 1),
            (Unit::Iso, text("2001-01-01T01:01:01"), TimeEncoding::Text, second),
            (Unit::Iso, text("2001-01-01 01:01:01.12-05:30"), TimeEncoding::Text, 10),
            (
                Unit::Iso,
                Cell::Bytes(b"2001-01-01T01:01:01.123456Z".to_vec()),
                TimeEncoding::Text,
                1,
            ),
        ];
        // A number in a column of times is read by its size, so it may change its unit.
        for like in [Cell::Integer(1_760_000_000), Cell::Integer(1_760_000_000_000)] {
            places.push((Unit::Timestamp, like, TimeEncoding::Text, second));
        }
        places
    }

    fn holds(at: i64, zone: &Zone) {
        for (unit, like, encoding, step) in places() {
            let zone = matches!(unit, Unit::Timestamp | Unit::Iso).then_some(zone);
            let cell = moment(Timestamp::from_millis(at), unit, zone, &like, encoding).unwrap();
            let read = time::moment(&cell, unit, zone).at();
            let read = read.unwrap_or_else(|| panic!("{at} {unit:?} {like:?}")).as_millis();
            assert!(
                (0..step).contains(&(at - read)),
                "{at} {unit:?} {encoding:?} {like:?}: {read}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_what_it_was(at in 0_i64..253_402_200_000_000) {
            for zone in ["UTC", "+05:30", "-11:00"] {
                holds(at, &zone.parse().unwrap());
            }
        }

        #[test]
        fn it_does_in_the_years_that_are_near(at in 1_700_000_000_000_i64..2_300_000_000_000) {
            holds(at, &Zone::utc());
        }

        #[test]
        fn of_two_equal_hours_the_first_is_said(at in 1_700_000_000_000_i64..2_300_000_000_000) {
            let (zone, like) = ("Europe/Berlin".parse().unwrap(), text("2001-01-01 01:01:01.000"));
            let moment = moment(Timestamp::from_millis(at), Unit::Iso, Some(&zone), &like, TimeEncoding::Text);
            let read = time::moment(&moment.unwrap(), Unit::Iso, Some(&zone)).at().unwrap();
            prop_assert!([0, 3_600_000].contains(&(at - read.as_millis())));
        }

        #[test]
        fn a_span_counts_from_its_base(base in 0_i64..2_000_000_000_000, seconds in 0_i64..63_000_000) {
            let base = Timestamp::from_millis(base);
            for like in [Cell::Integer(1), text("1"), Cell::Real(0.5), Cell::Null] {
                let cell = span(seconds * 1000, &like, TimeEncoding::Integer);
                let read = time::relative(&cell, Some(base)).at().unwrap();
                prop_assert_eq!(read.as_millis(), base.as_millis() + seconds * 1000);
            }
        }
    }

    #[test]
    fn the_class_is_kept() {
        let at = Timestamp::from_millis(1_760_000_000_500);
        let case = |unit, like: Cell| moment(at, unit, None, &like, TimeEncoding::Text).unwrap();
        assert_eq!(case(Unit::Seconds, Cell::Integer(1)), Cell::Integer(1_760_000_000));
        assert_eq!(case(Unit::Seconds, Cell::Real(1.5)), Cell::Real(1_760_000_000.5));
        assert_eq!(case(Unit::Seconds, text("1.5")), text("1760000000.5"));
        assert_eq!(case(Unit::Milliseconds, Cell::Null), text("1760000000500"));
        let millis = Cell::Integer(1_700_000_000_000);
        assert_eq!(case(Unit::Timestamp, millis), Cell::Integer(1_760_000_000_500));
        let never = Timestamp::from_millis(253_402_300_799_000);
        let seconds = moment(never, Unit::Seconds, None, &Cell::Integer(1), TimeEncoding::Integer);
        assert_eq!(seconds, Some(Cell::Integer(253_402_300_799)));
    }
}
