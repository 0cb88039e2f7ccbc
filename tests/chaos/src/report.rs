//! What a run found, for people.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::checker::{Law, Summary, Verdict, Violation};

/// How many violations of each law are printed.
const MAX_PRINTED: usize = 5;

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
        let mut by_law: BTreeMap<Law, Vec<&Violation>> = BTreeMap::new();
        for violation in &self.violations {
            by_law.entry(violation.law).or_default().push(violation);
        }
        writeln!(f, "violations: {}", self.violations.len())?;
        for (law, violations) in by_law {
            writeln!(f, "  {law:?}: {}", violations.len())?;
            for violation in violations.iter().take(MAX_PRINTED) {
                writeln!(f, "    {violation}")?;
            }
        }
        write!(f, "history: {}", self.file.display())
    }
}
