//! Times as sources store them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use session_core::Timestamp;

use crate::source::mapping::{Unit, Zone};
use crate::sql::Cell;

/// Numbers from here on count milliseconds (as seconds, this is the year 5138).
pub(crate) const MILLISECONDS_FROM: f64 = 100_000_000_000.0;

/// Two years in seconds: relative values from here on are absolute ones.
pub(crate) const RELATIVE_UNTIL: f64 = 2.0 * 365.25 * 86_400.0;

/// The latest valid time: the end of the year 9999, which some applications store for "never".
const LAST: f64 = 253_402_300_799_999.0;

/// The time that a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nothing.
    Absent,
    At(Timestamp),
    /// A value that is not a time.
    Odd,
}

impl Moment {
    pub(crate) const fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(moment) => Some(moment),
            _ => None,
        }
    }

    /// Converts milliseconds, which may have a fraction.
    fn from_millis(millis: f64) -> Self {
        if !(0.0..=LAST).contains(&millis) {
            return Self::Odd;
        }
        // Within the bounds every value has an exact text of whole milliseconds. Fractions of
        // seconds lost less than a thirtieth of a millisecond in conversion.
        format!("{:.0}", (millis + 0.05).floor())
            .parse()
            .map_or(Self::Odd, |millis| Self::At(Timestamp::from_millis(millis)))
    }
}

/// Reads a time of an absolute unit.
pub(crate) fn moment(cell: &Cell, unit: Unit, zone: Option<&Zone>) -> Moment {
    if cell.is_empty() {
        return Moment::Absent;
    }
    match (number(cell), unit) {
        (Some(seconds), Unit::Seconds) => Moment::from_millis(seconds * 1000.0),
        (Some(millis), Unit::Milliseconds) => Moment::from_millis(millis),
        (Some(number), Unit::Timestamp | Unit::Iso) if number.abs() < MILLISECONDS_FROM => {
            Moment::from_millis(number * 1000.0)
        }
        (Some(number), Unit::Timestamp | Unit::Iso) => Moment::from_millis(number),
        (None, Unit::Timestamp | Unit::Iso) => {
            cell.as_text().map_or(Moment::Odd, |text| parsed(&text, zone))
        }
        _ => Moment::Odd,
    }
}

/// Reads a time as seconds after a base, or as an absolute one where the number is too large for
/// that.
pub(crate) fn relative(cell: &Cell, base: Option<Timestamp>) -> Moment {
    if cell.is_empty() {
        return Moment::Absent;
    }
    match (number(cell), base) {
        (Some(seconds), _) if seconds >= RELATIVE_UNTIL => Moment::from_millis(seconds * 1000.0),
        (Some(seconds), Some(base)) => match Moment::from_millis(seconds * 1000.0) {
            Moment::At(span) => Moment::At(Timestamp::from_millis(
                base.as_millis().saturating_add(span.as_millis()),
            )),
            odd => odd,
        },
        _ => Moment::Odd,
    }
}

/// Returns the number that a cell holds, also as text.
#[expect(clippy::cast_precision_loss, reason = "moments are far below 2^53")]
pub(crate) fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Integer(number) => Some(*number as f64),
        Cell::Real(number) => Some(*number),
        _ => cell.as_text()?.trim().parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

fn parsed(text: &str, zone: Option<&Zone>) -> Moment {
    let text = text.trim();
    let zoned: Option<jiff::Timestamp> = text.parse().ok();
    let moment = zoned.or_else(|| {
        let zone: TimeZone = zone?.time_zone()?;
        // A date alone means midnight.
        let civil: DateTime = text.parse().ok()?;
        zone.to_timestamp(civil).ok()
    });
    let millis = moment.map(jiff::Timestamp::as_millisecond);
    millis.map_or(Moment::Odd, |millis| Moment::At(Timestamp::from_millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::{Moment, moment, relative};
    use crate::source::mapping::Unit;
    use crate::sql::Cell;
    use session_core::Timestamp;

    fn at(millis: i64) -> Moment {
        Moment::At(Timestamp::from_millis(millis))
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn numbers_count_in_their_unit() {
        let cases = [
            (Cell::Integer(1_760_000_000), Unit::Seconds, at(1_760_000_000_000)),
            (Cell::Real(1_760_000_000.25), Unit::Seconds, at(1_760_000_000_250)),
            (text("1760000000"), Unit::Seconds, at(1_760_000_000_000)),
            (Cell::Integer(1_760_000_000_123), Unit::Milliseconds, at(1_760_000_000_123)),
            (Cell::Integer(1_760_000_000_123), Unit::Timestamp, at(1_760_000_000_123)),
            (Cell::Integer(1_760_000_000), Unit::Timestamp, at(1_760_000_000_000)),
            (Cell::Integer(253_402_300_799), Unit::Seconds, at(253_402_300_799_000)),
            (Cell::Integer(1_760_000_000_123), Unit::Seconds, Moment::Odd),
            (Cell::Integer(-1), Unit::Seconds, Moment::Odd),
            (text("soon"), Unit::Seconds, Moment::Odd),
            (Cell::Null, Unit::Seconds, Moment::Absent),
            (text(""), Unit::Iso, Moment::Absent),
        ];
        for (cell, unit, expected) in cases {
            assert_eq!(moment(&cell, unit, None), expected, "{cell:?} {unit:?}");
        }
    }

    #[test]
    fn texts_mean_their_offset_or_the_zone() {
        let (berlin, utc) = ("Europe/Berlin".parse().unwrap(), "UTC".parse().unwrap());
        let noon = 1_760_011_200_000;
        for spelled in
            ["2025-10-09T12:00:00Z", "2025-10-09 12:00:00+00", "2025-10-09T14:00:00.000+02:00"]
        {
            assert_eq!(moment(&text(spelled), Unit::Iso, Some(&berlin)), at(noon), "{spelled}");
        }
        let naive = text("2025-10-09 14:00:00.5");
        assert_eq!(moment(&naive, Unit::Timestamp, Some(&berlin)), at(noon + 500));
        assert_eq!(moment(&naive, Unit::Timestamp, Some(&utc)), at(noon + 7_200_500));
        assert_eq!(moment(&naive, Unit::Timestamp, None), Moment::Odd);
        for odd in ["infinity+00", "0000-00-00 00:00:00", "tomorrow"] {
            assert_eq!(moment(&text(odd), Unit::Timestamp, Some(&utc)), Moment::Odd, "{odd}");
        }
    }

    #[test]
    fn a_relative_value_counts_from_its_base_unless_it_is_too_large() {
        let base = Some(Timestamp::from_millis(1_000_000));
        assert_eq!(relative(&Cell::Integer(3600), base), at(4_600_000));
        assert_eq!(relative(&text("3600"), base), at(4_600_000));
        assert_eq!(relative(&Cell::Integer(1_760_000_000), None), at(1_760_000_000_000));
        assert_eq!(relative(&Cell::Integer(3600), None), Moment::Odd);
        assert_eq!(relative(&Cell::Null, base), Moment::Absent);
    }
}
