//! Times as the page shows them.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use session_core::Timestamp;

use super::html::escaped;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Formats how long ago a time was, with the exact time as a tooltip.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> String {
    let ago = ago(now.since(at));
    let Some(moment) = DateTime::from_timestamp_millis(at.as_millis()) else { return ago };
    let exact = moment.to_rfc3339_opts(SecondsFormat::Secs, true);
    let exact = escaped(&exact);
    format!("<time datetime=\"{exact}\" title=\"{exact}\">{ago}</time>")
}

fn ago(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..MINUTE => "just now".to_owned(),
        MINUTE..HOUR => count(seconds / MINUTE, "minute"),
        HOUR..DAY => count(seconds / HOUR, "hour"),
        _ => count(seconds / DAY, "day"),
    }
}

fn count(number: u64, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_largest_unit_that_fits() {
        let says = |seconds| ago(Duration::from_secs(seconds));
        assert_eq!(says(59), "just now");
        assert_eq!(says(60), "1 minute ago");
        assert_eq!(says(7200), "2 hours ago");
        assert_eq!(says(3 * 86400), "3 days ago");
    }

    #[test]
    fn the_exact_time_is_machine_readable() {
        let html = moment(Timestamp::from_millis(0), Timestamp::from_millis(60_000));
        assert!(html.contains("datetime=\"1970-01-01T00:00:00Z\""), "{html}");
    }
}
