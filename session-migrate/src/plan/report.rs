//! The plan as it is shown: counts, who would be pruned and why, times, and a digest.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use session_core::{SessionId, Timestamp};

use super::digest::{Parts, require};
use crate::engine::Ground;
use crate::error::MigrateError;
use crate::source::{Mapping, NewestBy, SourceRow, inspect::SourceReport, row::Expiry};

/// So many victims are listed for each mapping; all are counted.
const MOST_LISTED: usize = 1000;

/// What an apply would do. It has no token in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The version of this report's form: `session-migrate/plan/1`.
    pub schema: &'static str,
    /// What `apply --plan` takes.
    pub digest: String,
    /// `offline` or `online`.
    pub mode: &'static str,
    /// The source's database: `sqlite`, `postgres` or `mysql`.
    pub source: &'static str,
    /// The target's.
    pub target: &'static str,
    /// Whether the target has its tables already.
    pub target_has_tables: bool,
    /// The cap, in words.
    pub cap: String,
    /// Each mapped table.
    pub mappings: Vec<PlannedMapping>,
    /// How long it takes.
    pub estimate: Estimate,
    /// What is to be minded before an apply.
    pub warnings: Vec<String>,
    /// What cannot be taken back, and from when on.
    pub irreversible: Vec<String>,
}

/// One mapped table of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedMapping {
    /// What is in the table.
    #[serde(flatten)]
    pub source: SourceReport,
    /// The mapping, as a mapping file would say it.
    pub mapping_file: Option<Mapping>,
    /// Rows that the cap sets aside.
    pub pruned: u64,
    /// The same, for each provider.
    pub pruned_by_provider: BTreeMap<String, u64>,
    /// The first of them, and why.
    pub victims: Vec<PlannedVictim>,
    /// Rows of crowded pairs that share their moment with another: the id decides between them.
    pub ties: u64,
}

/// A row that would be pruned. Its key is not named where it is a cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedVictim {
    /// The id that the row has in the archive.
    pub id: String,
    /// The source's key, unless it is a cookie.
    pub source_key: Option<String>,
    /// The application's id of the user.
    pub user: Option<String>,
    /// The provider's name.
    pub provider: Option<String>,
    /// The moment that makes others the newer ones, in milliseconds since 1970.
    pub moment: Option<i64>,
    /// Why it goes.
    pub why: &'static str,
}

/// How long a move takes, from the pace at which the plan was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// All of it, in seconds.
    pub seconds: u64,
    /// For how long the source refuses writes before the target is open.
    pub bar_seconds: u64,
}

impl PlannedMapping {
    pub(super) fn of(source: SourceReport, mapping: Option<&Mapping>) -> Self {
        Self {
            source,
            mapping_file: mapping.cloned(),
            pruned: 0,
            pruned_by_provider: BTreeMap::new(),
            victims: Vec::new(),
            ties: 0,
        }
    }

    pub(super) fn victim(&mut self, id: SessionId, row: &SourceRow, by: Option<NewestBy>) {
        self.pruned += 1;
        let provider = row.provider.clone().unwrap_or_default();
        *self.pruned_by_provider.entry(provider).or_default() += 1;
        if self.victims.len() >= MOST_LISTED {
            return;
        }
        let has_cookie = self.mapping_file.as_ref().is_some_and(|mapping| mapping.cookie.is_some());
        let why = match (row.tokens.opened().is_some(), row.is_orphan) {
            (true, false) => "newer rows hold every place",
            (true, true) => "its user is gone, and others hold every place",
            (false, _) => "it does not open, and others hold every place",
        };
        self.victims.push(PlannedVictim {
            id: id.to_string(),
            source_key: (!has_cookie).then(|| row.key.to_string()),
            user: row.user.clone(),
            provider: row.provider.clone(),
            moment: row.moment(by).map(Timestamp::as_millis),
            why,
        });
    }
}

impl Plan {
    /// Refuses another plan than this.
    pub(crate) fn require(&self, digest: &str) -> Result<(), MigrateError> {
        require(&self.digest, digest)
    }

    /// Rows of all mappings.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.mappings.iter().map(|mapping| mapping.source.total.rows).sum()
    }

    /// Whether there are rows with tokens, and none of them opens: an apply would be refused.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        let readable: u64 = self.mappings.iter().map(|it| it.source.total.readable).sum();
        readable == 0 && self.unreadable_rows() > 0
    }

    /// Rows with tokens that do not open.
    pub(crate) fn unreadable_rows(&self) -> u64 {
        self.mappings.iter().map(|it| it.source.total.unreadable_rows()).sum()
    }

    pub(super) fn begin(ground: &Ground) -> Self {
        use crate::sql::Dialect;

        let source = Dialect::of(ground.source.get_database_backend());
        Self {
            schema: "session-migrate/plan/1",
            digest: String::new(),
            mode: if ground.options.is_online { "online" } else { "offline" },
            source: source.name(),
            target: ground.dialect().name(),
            target_has_tables: false,
            cap: ground.cap().to_string(),
            mappings: Vec::new(),
            estimate: Estimate::default(),
            warnings: Vec::new(),
            irreversible: irreversible(),
        }
    }

    pub(super) fn finish(&mut self, ground: &Ground, took: Duration, parts: &Parts) {
        self.digest = parts.digest();
        self.estimate = estimate(took, ground.options.is_online);
        self.warnings = self.warnings_of(ground);
    }

    fn warnings_of(&self, ground: &Ground) -> Vec<String> {
        let mut warnings = Vec::new();
        for planned in &self.mappings {
            let (name, total) = (&planned.source.mapping, &planned.source.total);
            let odd = total.expiry.get(&Expiry::Odd).copied().unwrap_or(0);
            let lines = [
                (total.unreadable_rows(), "rows do not open with these keys and are set aside"),
                (total.orphans, "rows belong to users who are gone; they move without a cookie"),
                (total.without_tokens, "rows have no tokens, and nothing of them is moved"),
                (odd, "rows have an expiry that is none; it is assumed"),
                (planned.pruned, "rows are set aside by the cap"),
            ];
            let told = lines.iter().filter(|(rows, _)| *rows > 0);
            warnings.extend(told.map(|(rows, what)| format!("{name}: {rows} {what}")));
        }
        if self.is_unreadable() {
            warnings.push("no row opens with the given key: an apply is refused".to_owned());
        }
        warnings.push(old_writers(ground.options.is_online).to_owned());
        warnings
    }
}

const fn old_writers(is_online: bool) -> &'static str {
    if is_online {
        "an old instance that deletes a user's rows at each sign-in goes on doing so until the \
         switch: those sign-ins are lost, as they were before"
    } else {
        "stop every instance that writes to the source first: an old one deletes a user's rows at \
         each sign-in, and spends refresh tokens that the target holds"
    }
}

fn irreversible() -> Vec<String> {
    vec![
        "before the switch: nothing; rollback leaves the source as it was".to_owned(),
        "after the switch: a cookie that was replaced at its first use is not given back, and \
         sessions that were begun in the target have no place in the source"
            .to_owned(),
        "after finalize: the move cannot be taken back".to_owned(),
    ]
}

/// The plan has read and opened every row once. An apply reads them twice, and writes them.
fn estimate(took: Duration, is_online: bool) -> Estimate {
    let rounds = if is_online { 6 } else { 4 };
    Estimate { seconds: (took * rounds).as_secs() + 1, bar_seconds: (took * 2).as_secs() + 1 }
}
