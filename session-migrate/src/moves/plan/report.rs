//! The plan that users review: counts, the rows that would be pruned and why, estimates, and a digest.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use session_core::{SessionId, Timestamp};

use super::digest::{PlanDigest, require};
use crate::engine::{MappedTable, MoveContext};
use crate::error::MigrateError;
use crate::journal::Phase;
use crate::source::inspect::SourceReport;
use crate::source::row::Expiry;
use crate::source::{Mapping, SourceRow};
use crate::sql::Dialect;

/// How many pruned rows of each mapping are listed; all are counted.
const MAX_LISTED: usize = 1000;

/// What an apply would do. Contains no token.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The version of this report's form: `session-migrate/plan/1`.
    pub schema: &'static str,
    /// The digest that `apply --plan` takes.
    pub digest: String,
    /// `offline` or `online`.
    pub mode: &'static str,
    /// The kind of the source's database: `sqlite`, `postgres` or `mysql`.
    pub source: &'static str,
    /// The kind of the target's database.
    pub target: &'static str,
    /// The phase of the move of this source that is on record, if there is one.
    pub phase: Option<Phase>,
    /// Whether the target already has the session tables.
    pub target_has_tables: bool,
    /// A description of the cap.
    pub cap: String,
    /// The mapped tables.
    pub mappings: Vec<PlannedMapping>,
    /// How long an apply would take.
    pub estimate: Estimate,
    /// What to know before an apply.
    pub warnings: Vec<String>,
    /// What cannot be undone, and from which point on.
    pub irreversible: Vec<String>,
}

/// A mapped table of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedMapping {
    /// The contents of the table.
    #[serde(flatten)]
    pub source: SourceReport,
    /// The mapping, in the form of a mapping file.
    pub mapping_file: Option<Mapping>,
    /// Rows that the cap prunes, which would be quarantined.
    pub pruned: u64,
    /// Rows that would be quarantined because they do not open; those that the cap prunes are not
    /// among them.
    pub unreadable: u64,
    /// Rows whose cookie another row has as well. A cookie leads to one session, so an apply fails
    /// unless the cap prunes all rows of a cookie but one.
    pub shared_cookies: u64,
    /// Rows that the cap prunes, by provider.
    pub pruned_by_provider: BTreeMap<String, u64>,
    /// The first of these rows, and why each would go.
    pub victims: Vec<PrunedRow>,
    /// What a rollback after the cutover loses in any case, beside cookies that were replaced: nothing
    /// if a failback can bring all of it back.
    pub rollback_loses: Vec<String>,
    /// Rows of over-cap partitions that have the same time as another row, so that the key decides
    /// between them.
    pub ties: u64,
}

/// A row that would be pruned. Its key is left out where it is a cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PrunedRow {
    /// The id that the row would have in the target.
    pub id: String,
    /// The row's key in the source, unless it is a cookie.
    pub source_key: Option<String>,
    /// The application's id of the user.
    pub user: Option<String>,
    /// The provider's name.
    pub provider: Option<String>,
    /// The time that ranks the row, in milliseconds since the Unix epoch.
    pub moment: Option<i64>,
    /// Why the row would be pruned.
    pub why: &'static str,
}

/// How long a move would take, estimated from the time that the plan took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// The whole move, in seconds.
    pub seconds: u64,
    /// How long writes to the source are blocked before the target is open, in seconds.
    pub bar_seconds: u64,
}

impl PlannedMapping {
    pub(super) fn new(source: SourceReport, mapping: &Mapping) -> Self {
        Self {
            unreadable: source.total.unreadable_rows(),
            shared_cookies: 0,
            source,
            mapping_file: Some(mapping.clone()),
            pruned: 0,
            pruned_by_provider: BTreeMap::new(),
            victims: Vec::new(),
            rollback_loses: Vec::new(),
            ties: 0,
        }
    }

    /// Notes what a failback could not bring back into this table.
    pub(super) fn add_losses(&mut self, table: &MappedTable) {
        if let Err(error) = table.source.require_writable() {
            self.rollback_loses.push(format!("tokens that are renewed in the target: {error}"));
        }
        if let Some(why) = table.source.obstacle_to_rows() {
            self.rollback_loses.push(format!("sessions that begin in the target: {why}"));
        }
    }

    /// Adds a row that the cap prunes.
    pub(super) fn add_pruned(&mut self, table: &MappedTable, id: SessionId, row: &SourceRow) {
        self.pruned += 1;
        let is_unreadable = row.tokens.is_unreadable() || row.owner().is_none();
        self.unreadable -= u64::from(is_unreadable && self.unreadable > 0);
        let provider = row.provider.clone().unwrap_or_default();
        *self.pruned_by_provider.entry(provider).or_default() += 1;
        if self.victims.len() >= MAX_LISTED {
            return;
        }
        let has_cookie = table.mapping().cookie.is_some();
        let why = match (row.tokens.opened().is_some(), row.is_orphan) {
            (true, false) => "newer rows fill the cap",
            (true, true) => "its user is gone, and other rows fill the cap",
            (false, _) => "it does not open, and other rows fill the cap",
        };
        self.victims.push(PrunedRow {
            id: id.to_string(),
            source_key: (!has_cookie).then(|| row.key.to_string()),
            user: row.user.clone(),
            provider: row.provider.clone(),
            moment: row.moment(table.planner().newest_by()).map(Timestamp::as_millis),
            why,
        });
    }
}

impl Plan {
    /// Returns an error if this is not the plan with `digest`.
    pub(crate) fn require(&self, digest: &str) -> Result<(), MigrateError> {
        require(&self.digest, digest)
    }

    /// Returns the number of rows of all mappings.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.mappings.iter().map(|mapping| mapping.source.total.rows).sum()
    }

    /// Returns whether there are rows with tokens and none of them opens, so that an apply would be
    /// refused.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        let readable: u64 = self.mappings.iter().map(|it| it.source.total.readable).sum();
        readable == 0 && self.unreadable_rows() > 0
    }

    /// Returns the number of rows whose tokens do not open.
    pub(crate) fn unreadable_rows(&self) -> u64 {
        self.mappings.iter().map(|it| it.source.total.unreadable_rows()).sum()
    }

    pub(super) fn begin(context: &MoveContext) -> Self {
        let source = Dialect::of(context.source.get_database_backend());
        Self {
            schema: "session-migrate/plan/1",
            digest: String::new(),
            mode: if context.options.is_online { "online" } else { "offline" },
            source: source.name(),
            target: context.dialect().name(),
            phase: None,
            target_has_tables: false,
            cap: context.cap().to_string(),
            mappings: Vec::new(),
            estimate: Estimate::default(),
            warnings: Vec::new(),
            irreversible: irreversible(),
        }
    }

    pub(super) fn finish(&mut self, context: &MoveContext, took: Duration, digest: &PlanDigest) {
        self.digest = digest.finish();
        self.estimate = estimate(took, context.options.is_online);
        self.warnings = self.warnings_of(context);
        let cascades = context.schema.cascades.iter();
        let into =
            cascades.filter(|key| self.mappings.iter().any(|of| of.source.table == key.table));
        self.warnings.extend(into.map(|key| {
            format!(
                "deletions and updates in {} cascade into {}: while writes are blocked, they fail",
                key.parent, key.table
            )
        }));
    }

    fn warnings_of(&self, context: &MoveContext) -> Vec<String> {
        let mut warnings: Vec<String> = self.phase.and_then(on_record).into_iter().collect();
        for planned in &self.mappings {
            let (name, total) = (&planned.source.mapping, &planned.source.total);
            let odd = total.expiry.get(&Expiry::Odd).copied().unwrap_or(0);
            let lines = [
                (
                    planned.unreadable,
                    "rows do not open with these keys, or name no user or provider, and will be \
                     quarantined",
                ),
                (
                    total.orphans,
                    "rows belong to users who are gone; they are moved without a cookie",
                ),
                (total.without_tokens, "rows have no tokens and are not moved"),
                (odd, "rows have an invalid expiry; one is assumed"),
                (
                    planned.shared_cookies,
                    "rows have the same cookie as another row: an apply will be refused, or fail \
                     unless the cap leaves one row of each cookie",
                ),
                (planned.pruned, "rows exceed the cap and will be quarantined"),
            ];
            let shown = lines.iter().filter(|(rows, _)| *rows > 0);
            warnings.extend(shown.map(|(rows, what)| format!("{name}: {rows} {what}")));
        }
        if self.is_unreadable() {
            let advice = context.key_advice();
            warnings.push(format!("no row opens: an apply will be refused; {advice}"));
        }
        warnings.push(old_writers(context.options.is_online).to_owned());
        warnings
    }
}

/// Returns what a move on record means for an apply of this plan.
fn on_record(phase: Phase) -> Option<String> {
    let what = match phase {
        Phase::RolledBack => return None,
        Phase::Open => "its cutover is done, and an apply moves nothing more",
        Phase::Finalized => "an apply will be refused",
        Phase::RollBack => "an apply will be refused until the rollback is done",
        _ => "an apply goes on with it, with the options that it was begun with",
    };
    Some(format!("a move of this source is on record, in the phase {phase}: {what}"))
}

const fn old_writers(is_online: bool) -> &'static str {
    if is_online {
        "an old instance that deletes a user's rows at each sign-in goes on doing so until the \
         cutover: those sign-ins are lost, as before"
    } else {
        "stop every instance that writes to the source first: an old instance deletes a user's \
         rows at each sign-in, and uses up refresh tokens that the target holds"
    }
}

fn irreversible() -> Vec<String> {
    vec![
        "before the cutover: nothing; rollback leaves the source as it was".to_owned(),
        "after the cutover: a cookie that was replaced at its first use is not restored, and \
         sessions that began in the target stay there, unless a failback brings them into the source"
            .to_owned(),
        "after finalize: the move cannot be rolled back".to_owned(),
    ]
}

/// Estimates from the time that the plan took, which has read and opened every row once. An apply
/// reads every row twice, and writes it; online it reads it once more. Behind the block an online move
/// only counts the rows.
fn estimate(took: Duration, is_online: bool) -> Estimate {
    let (rounds, blocked) = if is_online { (6, took / 20) } else { (4, took * 2) };
    Estimate { seconds: (took * rounds).as_secs() + 1, bar_seconds: blocked.as_secs() + 1 }
}
