//! What a run found, for people.

use std::fmt;
use std::path::PathBuf;

use crate::checker::{Summary, Verdict, Violation};

/// How many violations are printed.
const MAX_PRINTED: usize = 20;

/// What a run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The history.
    pub file: PathBuf,
    /// What was seen.
    pub summary: Summary,
    /// What breaks a law.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Creates the report on a history.
    pub(crate) fn new(file: PathBuf, verdict: Verdict) -> Self {
        let Verdict { summary, violations } = verdict;
        Self { file, summary, violations }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary)?;
        writeln!(f, "violations: {}", self.violations.len())?;
        for violation in self.violations.iter().take(MAX_PRINTED) {
            writeln!(f, "  {violation}")?;
        }
        write!(f, "history: {}", self.file.display())
    }
}
