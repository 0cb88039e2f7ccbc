//! Times as the page shows them.

use session_core::Timestamp;
use session_tower::devices::DevicesText;

/// Formats how long ago a time was, with the exact time as a tooltip.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> String {
    let ago = (DevicesText::default().ago)(now.since(at));
    format!("<time datetime=\"{at}\" title=\"{at}\">{ago}</time>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_time_is_machine_readable() {
        let html = moment(Timestamp::from_millis(0), Timestamp::from_millis(60_000));
        assert!(html.contains("datetime=\"1970-01-01T00:00:00.000Z\""), "{html}");
        assert!(html.contains(">1 minute ago<"), "{html}");
    }
}
