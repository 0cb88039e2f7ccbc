//! The `Retry-After` header (RFC 9110, section 10.2.3).

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// Returns how long a provider asks to wait, in whole seconds.
///
/// A date counts from the `Date` of the same response, since the clocks of this node and of the
/// provider may differ. Without a `Date` it is ignored.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = text(headers, RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let span = seconds_of(asked)?.saturating_sub(seconds_of(text(headers, DATE)?)?);
    Some(Duration::from_secs(u64::try_from(span).unwrap_or(0)))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Returns the Unix time of an HTTP date, which has the form of RFC 2822 with the zone `GMT`.
fn seconds_of(date: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc2822(date).ok().map(|date| date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(HeaderName, &str)]) -> Option<Duration> {
        let pairs = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        retry_after(&pairs.collect())
    }

    #[test]
    fn reads_seconds() {
        assert_eq!(asked(&[(RETRY_AFTER, "120")]), Some(Duration::from_secs(120)));
        assert_eq!(asked(&[(RETRY_AFTER, " 0 ")]), Some(Duration::ZERO));
    }

    #[test]
    fn reads_a_date_relative_to_that_of_the_response() {
        let date = (DATE, "Fri, 31 Dec 1999 23:59:00 GMT");
        let later = (RETRY_AFTER, "Sat, 01 Jan 2000 00:00:30 GMT");
        assert_eq!(asked(&[date.clone(), later.clone()]), Some(Duration::from_secs(90)));
        assert_eq!(asked(&[later]), None, "the clock of this node is not used");
        let past = (RETRY_AFTER, "Fri, 31 Dec 1999 23:58:00 GMT");
        assert_eq!(asked(&[date, past]), Some(Duration::ZERO));
    }

    #[test]
    fn ignores_invalid_values() {
        for nonsense in ["", "soon", "-3", "1.5", "99999999999999999999999"] {
            assert_eq!(asked(&[(RETRY_AFTER, nonsense)]), None, "{nonsense}");
        }
        assert_eq!(asked(&[]), None);
    }
}
