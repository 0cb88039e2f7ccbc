//! Verifies a history. It knows the answers, and nothing of the crates.
//!
//! It is sound: an operation without an answer may have taken effect, also later, or not at all, and
//! what overlaps may have happened in any order. What it names cannot be explained by any of them.

mod causes;
mod ends;
mod identity;
mod lists;
mod summary;
mod timeline;
mod tokens;
mod trouble;

#[cfg(test)]
mod tests;

use std::fmt;

pub use summary::Summary;

use crate::history::Record;
use timeline::Timeline;

/// What a history has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    /// A login is answered with its own user and session, and no other login's.
    OwnSession,
    /// No confirmed login is lost: each 401 has a cause.
    LoginKept,
    /// No ended session is served again, at any process, after the bound.
    EndKept,
    /// A user never has more sessions than the cap.
    Cap,
    /// A list has the user's live sessions, and nothing else.
    List,
    /// No refresh token is sent twice, unless its new one was lost.
    TokenOnce,
    /// Errors come only from faults, and end soon after them.
    Healthy,
}

/// A place in a history that breaks a law.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The law.
    pub law: Law,
    /// When, in microseconds.
    pub at: u64,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:.3} s: {}", self.law, seconds(self.at), self.what)
    }
}

/// The verdict on a history.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What was seen.
    pub summary: Summary,
    /// What breaks a law, by time.
    pub violations: Vec<Violation>,
}

/// Checks a history.
#[must_use]
pub fn check(records: &[Record]) -> Verdict {
    let timeline = Timeline::new(records);
    let mut violations = Vec::new();
    for law in
        [identity::check, causes::check, ends::check, lists::check, tokens::check, trouble::check]
    {
        law(&timeline, &mut violations);
    }
    violations.sort_by_key(|violation| (violation.at, violation.law));
    Verdict { summary: Summary::of(&timeline), violations }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// Microseconds.
const fn millis(millis: u64) -> u64 {
    millis * 1_000
}
