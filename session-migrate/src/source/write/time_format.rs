//! Times as text, in the format of a stored one.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use session_core::Timestamp;

use crate::source::mapping::Zone;

/// The format of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeFormat {
    /// The separator of date and time; none for a date alone.
    between: Option<char>,
    /// The point and the number of digits after it.
    fraction: (char, usize),
    offset: OffsetFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OffsetFormat {
    /// None: the time is in the mapping's zone.
    Absent,
    /// `Z` or `z`.
    Zulu(char),
    /// `+02`, `+0200` or `+02:00`.
    Hours(Offset),
    Basic(Offset),
    Extended(Offset),
}

impl TimeFormat {
    /// Returns the format of date and time as databases return them.
    pub(super) const fn column(digits: usize, is_zoned: bool) -> Self {
        let offset = match is_zoned {
            true => OffsetFormat::Hours(Offset::UTC),
            false => OffsetFormat::Absent,
        };
        Self { between: Some(' '), fraction: ('.', digits), offset }
    }

    /// Returns the format of a date alone.
    pub(super) const fn date() -> Self {
        Self { between: None, fraction: ('.', 0), offset: OffsetFormat::Absent }
    }

    /// Returns the format that every reader of ISO 8601 understands.
    pub(super) const fn iso() -> Self {
        Self { between: Some('T'), fraction: ('.', 3), offset: OffsetFormat::Zulu('Z') }
    }

    /// Returns the format of a text; `None` where it is not supported.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = text.split_at_checked(10)?;
        if !is_shape(date, "dddd-dd-dd") {
            return None;
        }
        let mut rest = rest.chars();
        let Some(between) = rest.next() else { return Some(Self::date()) };
        let (clock, rest) = rest.as_str().split_at_checked(8)?;
        if !is_shape(clock, "dd:dd:dd") || !matches!(between, ' ' | 'T' | 't') {
            return None;
        }
        let (point, rest) = match rest.strip_prefix(['.', ',']) {
            Some(after) => (rest.chars().next()?, after),
            None => ('.', rest),
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let offset = OffsetFormat::of(rest.get(digits..)?)?;
        Some(Self { between: Some(between), fraction: (point, digits), offset })
    }

    /// Formats a time; `None` after the year 9999.
    pub(super) fn write(self, at: Timestamp, zone: Option<&Zone>) -> Option<String> {
        let moment = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        let (zone, offset) = match self.offset {
            OffsetFormat::Absent => match zone.and_then(Zone::time_zone) {
                Some(zone) => (zone, String::new()),
                // Without a zone it could not be read back.
                None => (TimeZone::UTC, "Z".to_owned()),
            },
            OffsetFormat::Zulu(zulu) => (TimeZone::UTC, zulu.to_string()),
            OffsetFormat::Hours(offset) => (TimeZone::fixed(offset), spelled(offset, None)),
            OffsetFormat::Basic(offset) => (TimeZone::fixed(offset), spelled(offset, Some(""))),
            OffsetFormat::Extended(offset) => (TimeZone::fixed(offset), spelled(offset, Some(":"))),
        };
        let civil = zone.to_datetime(moment);
        let date = format!("{:04}-{:02}-{:02}", civil.year(), civil.month(), civil.day());
        let Some(between) = self.between else { return Some(date) };
        Some(format!("{date}{between}{}{offset}", self.clock(civil)))
    }

    fn clock(self, civil: DateTime) -> String {
        let whole = format!("{:02}:{:02}:{:02}", civil.hour(), civil.minute(), civil.second());
        let (point, digits) = self.fraction;
        if digits == 0 {
            return whole;
        }
        let mut fraction = format!("{:0<digits$}", format!("{:09}", civil.subsec_nanosecond()));
        // Truncated, not rounded: a time never becomes later.
        fraction.truncate(digits);
        format!("{whole}{point}{fraction}")
    }
}

impl OffsetFormat {
    fn of(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let sign = match chars.next() {
            None => return Some(Self::Absent),
            Some(zulu @ ('Z' | 'z')) => return (text.len() == 1).then_some(Self::Zulu(zulu)),
            Some('+') => 1,
            Some('-') => -1,
            Some(_) => return None,
        };
        let digits = chars.as_str();
        let number = |part: Option<&str>| part.and_then(|part| part.parse::<i32>().ok());
        let (hours, minutes) = match digits.len() {
            2 => (number(Some(digits)), Some(0)),
            4 => (number(digits.get(..2)), number(digits.get(2..))),
            5 => (number(digits.get(..2)), number(digits.get(3..))),
            _ => return None,
        };
        let offset = Offset::from_seconds(sign * (hours? * 3600 + minutes? * 60)).ok()?;
        match digits.len() {
            2 => Some(Self::Hours(offset)),
            4 => Some(Self::Basic(offset)),
            _ => Some(Self::Extended(offset)),
        }
    }
}

/// Formats an offset, with minutes after this separator or without minutes.
fn spelled(offset: Offset, minutes: Option<&str>) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    let (hours, rest) = (seconds / 3600, seconds % 3600 / 60);
    match minutes {
        None => format!("{sign}{hours:02}"),
        Some(between) => format!("{sign}{hours:02}{between}{rest:02}"),
    }
}

/// Returns whether each `d` of the shape is a digit in the text, and the rest is equal.
fn is_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use session_core::Timestamp;

    use super::TimeFormat;
    use crate::source::mapping::Zone;

    #[test]
    fn a_moment_is_spelled_like_another_one() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let at = Timestamp::from_millis(1_760_011_200_567);
        for (like, spelled) in [
            ("2001-01-01 01:01:01", "2025-10-09 14:00:00"),
            ("2001-01-01 01:01:01.1", "2025-10-09 14:00:00.5"),
            ("2001-01-01 01:01:01.123456", "2025-10-09 14:00:00.567000"),
            ("2001-01-01T01:01:01.123Z", "2025-10-09T12:00:00.567Z"),
            ("2001-01-01T01:01:01z", "2025-10-09T12:00:00z"),
            ("2001-01-01 01:01:01,12+00", "2025-10-09 12:00:00,56+00"),
            ("2001-01-01 01:01:01-0530", "2025-10-09 06:30:00-0530"),
            ("2001-01-01T01:01:01.000+02:00", "2025-10-09T14:00:00.567+02:00"),
            ("2001-01-01", "2025-10-09"),
        ] {
            let format = TimeFormat::of(like).unwrap();
            assert_eq!(format.write(at, Some(&berlin)).as_deref(), Some(spelled), "{like}");
        }
        let naive = TimeFormat::of("2001-01-01 01:01:01").unwrap();
        assert_eq!(naive.write(at, None).as_deref(), Some("2025-10-09 12:00:00Z"));
        for other in ["infinity", "", "1760000000", "2001-01-01 01:01:01 UTC", "20010101T010101Z"] {
            assert_eq!(TimeFormat::of(other), None, "{other}");
        }
    }
}
