//! What no message shows.

use std::error::Error;
use std::fmt::Debug;

/// A text that the corpora have where a secret would be. No message shows it, whatever stands around
/// it.
pub(crate) const CANARY: &str = "c4nary";

/// Asserts that neither the error nor one of its causes shows one of these texts.
pub(crate) fn assert_hidden(error: &dyn Error, secrets: &[&str]) {
    let mut shown = format!("{error:?} {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        shown.push_str(&format!(" {error:?} {error}"));
        cause = error.source();
    }
    assert_text_hides(&shown, secrets);
}

/// Asserts that `Debug` shows none of these texts.
pub(crate) fn assert_debug_hides(value: &dyn Debug, secrets: &[&str]) {
    assert_text_hides(&format!("{value:?} {value:#?}"), secrets);
}

fn assert_text_hides(shown: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret:?} is shown: {shown}");
    }
}
