//! Verifies that the target holds what the source asks for.

use serde::Serialize;
use session_core::{SessionId, TokenSet};
use sha2::{Digest as _, Sha256};

use super::failback::AddedRows;
use super::manifest::journal;
use super::proof::prove_keys;
use crate::engine::{
    Comparison, Examined, Findings, MoveContext, Outcome, RowState, SurplusRows, Totals,
    count_rows, totals,
};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::Phase;
use crate::progress::Activity;
use crate::source::SourceRow;
use crate::target::{ExistingRow, hex};

/// The report of [`Move::verify`](super::Move::verify). Contains no token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The version of this report's form: `session-migrate/verify/1`.
    pub schema: &'static str,
    /// The move's phase.
    pub phase: Phase,
    /// Rows of the source.
    pub source_rows: u64,
    /// Rows of the move in `login_session`.
    pub target_rows: u64,
    /// Rows that were quarantined because they exceed the cap.
    pub pruned: u64,
    /// Rows that were quarantined because they do not open.
    pub unreadable: u64,
    /// Rows without tokens, which are not moved.
    pub without_tokens: u64,
    /// Rows whose user, or another row that they refer to, is gone.
    pub orphans: u64,
    /// Live rows of the move that no device has claimed.
    pub unclaimed: u64,
    /// Rows that have changed in the target since the cutover, as they may.
    pub changed: u64,
    /// Rows of the source that a failback has added.
    pub added: u64,
    /// Rows that differ, on either side.
    pub mismatches: u64,
    /// The first of the rows that differ.
    pub differences: Vec<Difference>,
    /// A digest over id, cookie digest, user, provider, times and the SHA-256 of the opened tokens of
    /// all rows.
    pub result_digest: String,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The row's id in the target.
    pub id: String,
    /// How the row differs.
    pub how: &'static str,
}

/// A row of the source, and what became of it.
///
/// # Security
///
/// The key can be a cookie, as it is in Open WebUI: a list of these is as confidential as the source.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RowReport {
    /// The row's key in the source.
    pub source_key: String,
    /// The row's id in the target.
    pub id: String,
    /// The provider's name.
    pub provider: Option<String>,
    /// The application's id of the user.
    pub user: Option<String>,
    /// `live`, `pruned`, `unreadable` or `without_tokens`.
    pub state: &'static str,
    /// The SHA-256 of the opened access token; the target's if the row is live.
    pub access_token_sha256: Option<String>,
    /// The SHA-256 of the opened refresh token.
    pub refresh_token_sha256: Option<String>,
    /// How the row differs; `None` if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differs: Option<&'static str>,
}

impl std::fmt::Debug for RowReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowReport")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl VerifyReport {
    /// Returns whether nothing differs.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.mismatches == 0
    }

    fn new(phase: Phase, findings: Findings, totals: Totals) -> Self {
        let result_digest = findings.result_digest();
        let difference = |(id, how)| Difference { id, how };
        Self {
            schema: "session-migrate/verify/1",
            phase,
            source_rows: findings.source_rows,
            target_rows: totals.live,
            pruned: findings.pruned,
            unreadable: findings.unreadable,
            without_tokens: findings.empty,
            orphans: findings.orphans,
            unclaimed: totals.unclaimed,
            changed: findings.changed,
            added: 0,
            mismatches: findings.mismatches,
            differences: findings.differences.into_iter().map(difference).collect(),
            result_digest,
        }
    }
}

pub(super) async fn verify(
    context: &MoveContext,
    mut each: impl FnMut(RowReport),
) -> Result<VerifyReport, MigrateError> {
    let journal = journal(context).await?;
    if journal.phase == Phase::RolledBack {
        return Err(MigrateError::new(MigrateErrorKind::NoMove));
    }
    prove_keys(context, &journal).await?;
    let is_open = !journal.phase.is_before_cutover();
    let mut findings = Findings::default();
    let added = match journal.failback {
        Some(_) => AddedRows::of(context).await?,
        None => AddedRows::default(),
    };
    context.progress.begin_activity(Activity::Verify, count_rows(context).await?);
    let mut comparison = Comparison::new(context, is_open)?;
    while let Some((_, examined)) = comparison.next().await? {
        context.check_cancelled()?;
        context.progress.add_rows(examined.len());
        for mut examined in examined {
            if added.ids.contains(&examined.id) {
                continue;
            }
            if added.may_outrank(&examined) {
                examined.outcome = Outcome::Changed;
            }
            findings.add(&examined);
            each(row_report(&examined));
        }
    }
    let totals = totals(context).await?;
    let mut surplus = SurplusRows::of(context, &findings, totals).await?;
    if journal.failback.is_some() {
        surplus.without_source = without_ended(context, surplus.without_source).await?;
    }
    surplus.add_to(&mut findings);
    let added = u64::try_from(added.ids.len()).unwrap_or(u64::MAX);
    Ok(VerifyReport { added, ..VerifyReport::new(journal.phase, findings, totals) })
}

/// Leaves out the sessions that have ended, whose rows a failback removes.
async fn without_ended(
    context: &MoveContext,
    ids: Vec<SessionId>,
) -> Result<Vec<SessionId>, MigrateError> {
    let existing = context.target_table()?.existing_rows(&context.target, &ids).await?;
    let is_ended =
        |id: &SessionId| matches!(existing.get(id), Some(ExistingRow::Live(row)) if row.is_ended());
    Ok(ids.into_iter().filter(|id| !is_ended(id)).collect())
}

fn row_report(examined: &Examined) -> RowReport {
    let row = &examined.row;
    let sha256 = |token: &str| hex(&Sha256::digest(token.as_bytes()));
    let [access, refresh] = match examined.state {
        RowState::Live => target_tokens(examined.opened.as_ref()),
        RowState::Pruned => source_tokens(row),
        RowState::Unreadable | RowState::Empty => [None, None],
    };
    RowReport {
        source_key: row.key.to_string(),
        id: examined.id.to_string(),
        provider: row.provider.clone(),
        user: row.user.clone(),
        state: examined.state.as_str(),
        access_token_sha256: access.map(sha256),
        refresh_token_sha256: refresh.map(sha256),
        differs: examined.outcome.difference(),
    }
}

fn target_tokens(tokens: Option<&TokenSet>) -> [Option<&str>; 2] {
    let access = tokens.map(TokenSet::access_token).filter(|token| !token.is_empty());
    [access, tokens.and_then(TokenSet::refresh_token)]
}

fn source_tokens(row: &SourceRow) -> [Option<&str>; 2] {
    let tokens = row.tokens.opened();
    [tokens.and_then(|tokens| tokens.access()), tokens.and_then(|tokens| tokens.refresh())]
}
