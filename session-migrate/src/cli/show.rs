//! Reports as prose.

use std::fmt::Write as _;

use session_migrate::report::{
    ApplyReport, FailbackReport, FinalizeReport, LiftedBlock, LostSignIn, MoveOutlook, PauseReport,
    Plan, PlannedMapping, RollbackReport, RowReport, StatusReport, UnblockReport, UnlockReport,
    VerifyReport,
};
use session_migrate::source::row::Expiry;

/// How many of a plan's victims are shown. The JSON has more.
const MAX_VICTIMS_SHOWN: usize = 10;

/// Shows a plan, followed by its statements if there are any.
pub(crate) fn plan(plan: &Plan, statements: &[String]) -> String {
    let mut text =
        format!("{} plan: {} into {}, {}\n", plan.mode, plan.source, plan.target, plan.cap);
    for mapping in &plan.mappings {
        planned(&mut text, mapping);
    }
    let _ = writeln!(
        text,
        "takes about {} s; writes to the source are blocked for about {} s of that",
        plan.estimate.seconds, plan.estimate.bar_seconds
    );
    for line in &plan.irreversible {
        let _ = writeln!(text, "{line}");
    }
    for warning in &plan.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    for statement in statements {
        let is_comment = statement.starts_with("--");
        let _ = writeln!(text, "{statement}{}", if is_comment { "" } else { ";" });
    }
    let _ = write!(text, "plan: {}", plan.digest);
    text
}

fn planned(text: &mut String, mapping: &PlannedMapping) {
    let (source, total) = (&mapping.source, &mapping.source.total);
    let pairs: Vec<String> =
        source.rows_per_pair.iter().map(|(rows, pairs)| format!("{pairs} with {rows}")).collect();
    let _ = writeln!(
        text,
        "{}: {} rows of {}, {} filtered out\n  pairs of user and provider: {} ({})",
        source.mapping,
        total.rows,
        source.table,
        source.filtered_out,
        source.pairs,
        pairs.join(", ")
    );
    let expiry = |of| total.expiry.get(&of).copied().unwrap_or(0);
    let _ = writeln!(
        text,
        "  {} readable, {} unreadable, {} without tokens, {} orphans, {} with a cookie\n  expiry: \
         {} absent, {} fractional, {} invalid; {} ties",
        total.readable,
        total.unreadable_rows(),
        total.without_tokens,
        total.orphans,
        total.cookies,
        expiry(Expiry::Absent),
        expiry(Expiry::Real),
        expiry(Expiry::Odd),
        mapping.ties
    );
    for provider in &source.providers {
        let pruned = mapping.pruned_by_provider.get(&provider.provider).copied().unwrap_or(0);
        let _ = writeln!(
            text,
            "  {:?}: {} rows, {pruned} over the cap",
            provider.provider, provider.tally.rows
        );
    }
    for loss in &mapping.rollback_loses {
        let _ = writeln!(text, "  a rollback loses {loss}");
    }
    let _ = writeln!(text, "  over the cap: {}", mapping.pruned);
    for victim in mapping.victims.iter().take(MAX_VICTIMS_SHOWN) {
        let key = victim.source_key.as_deref().unwrap_or("(a cookie)");
        let _ = writeln!(text, "    {} {key}: {}", victim.id, victim.why);
    }
    let shown = mapping.victims.len().min(MAX_VICTIMS_SHOWN);
    let more = mapping.pruned.saturating_sub(u64::try_from(shown).unwrap_or(u64::MAX));
    if more > 0 {
        let _ = writeln!(text, "    and {more} more; --json lists the first 1000");
    }
}

pub(crate) fn apply(report: &ApplyReport) -> String {
    let counts = &report.counts;
    let mut text = format!(
        "{}: {} sessions moved; quarantined: {} over the cap, {} unreadable; skipped: {} without tokens",
        report.phase, counts.moved, counts.pruned, counts.unreadable, counts.empty
    );
    if counts.repaired > 0 {
        let _ = write!(text, ", {} rows written again", counts.repaired);
    }
    let _ = write!(text, "\nrun {}, {} s of work", report.run, report.worked_ms / 1000);
    if let Some(millis) = report.blocked_ms {
        let _ = write!(text, ", writes blocked for {}.{:03} s", millis / 1000, millis % 1000);
    }
    if let Some(backup) = &report.backup {
        let _ = write!(text, "\nbackup: {backup}");
    }
    if let Some(digest) = &report.result_digest {
        let _ = write!(text, "\nresult: {digest}");
    }
    for note in &report.notes {
        let _ = write!(text, "\nnote: {note}");
    }
    text
}

pub(crate) fn verify(report: &VerifyReport) -> String {
    let mut text = format!(
        "{} rows in the source: {} live in the target; quarantined: {} over the cap, {} unreadable; \
         skipped: {} without tokens",
        report.source_rows,
        report.target_rows,
        report.pruned,
        report.unreadable,
        report.without_tokens
    );
    let _ = write!(
        text,
        "\n{} unclaimed, {} orphans, {} changed since the cutover, {} differ",
        report.unclaimed, report.orphans, report.changed, report.mismatches
    );
    for difference in &report.differences {
        let _ = write!(text, "\n  {}: {}", difference.id, difference.how);
    }
    let _ = write!(text, "\nresult: {}", report.result_digest);
    text
}

pub(crate) fn row(row: &RowReport) -> String {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    format!(
        "{} {} {} {} {} {}",
        row.source_key,
        or(&row.provider),
        or(&row.user),
        row.state,
        or(&row.access_token_sha256),
        or(&row.refresh_token_sha256)
    )
}

pub(crate) fn rollback(report: &RollbackReport) -> String {
    let tables = match report.has_empty_tables {
        true => {
            "\nthe session tables are there and empty: if an apply that was killed has left them, \
             and not the application's migrations, `session-migrate down` drops them"
        }
        false => "",
    };
    if report.was.is_none() {
        return format!("there is no move to take back{tables}");
    }
    let mut text = format!(
        "{} rows removed from the target, {} written back into the source",
        report.removed, report.written_back
    );
    if report.kept_newer > 0 {
        let _ = write!(text, "\n{} rows of the source are newer and stay", report.kept_newer);
    }
    if report.added + report.ended > 0 {
        let _ = write!(
            text,
            "\nfailback: {} sessions were added to the source, {} ended there; {} are left to the \
             source alone",
            report.added, report.ended, report.handed_over
        );
    }
    for lost in &report.not_added {
        let _ = write!(text, "\nnot in the source: {}", sign_in(lost));
    }
    if report.begun_since > 0 {
        let _ =
            write!(text, "\n{} sessions started in the target and stay there", report.begun_since);
    }
    for lost in &report.lost {
        let _ = write!(text, "\nlost: {}", sign_in(lost));
    }
    if !report.is_done {
        text.push_str(
            "\nnot done: nothing was removed, and writes to the source are still blocked; \
             --discard-renewed gives up what cannot be written back",
        );
    }
    text.push_str(tables);
    text
}

fn sign_in(of: &LostSignIn) -> String {
    format!("{} of {:?} at {:?}: {}", of.id, of.user, of.provider, of.why)
}

pub(crate) fn failback(report: &FailbackReport) -> String {
    let counts = &report.counts;
    let mut text = format!(
        "{}: {} renewals written back, {} sessions added, {} ended in the source; ",
        report.phase, counts.written_back, counts.added, counts.ended,
    );
    let _ = match (report.is_current, counts.skipped) {
        (true, _) => write!(text, "the source is current"),
        (false, 0) => write!(text, "the source is not current yet"),
        (false, skipped) => {
            write!(text, "the source is not current: it cannot take {skipped} changes")
        }
    };
    for skipped in &report.skipped {
        let _ = write!(text, "\nnot in the source: {}", sign_in(skipped));
    }
    text
}

/// Says what a rollback does.
pub(crate) fn rolls_back(outlook: &MoveOutlook, is_discarding: bool) -> String {
    let tables = outlook.tables.join(", ");
    let renewed = match (outlook.was_open, is_discarding) {
        (false, _) => String::new(),
        (true, false) => format!(
            "writes the tokens of up to {} changed ones back into {tables}, ",
            outlook.changed
        ),
        (true, true) => format!("gives up the tokens of up to {} changed ones, ", outlook.changed),
    };
    format!(
        "rolls the move {} ({}) back: {renewed}removes its {} sessions from the target, and lets \
         applications write to {tables} again",
        outlook.run, outlook.phase, outlook.sessions
    )
}

/// Says what a finalize does.
pub(crate) fn finalizes(outlook: &MoveOutlook) -> String {
    let tables = match outlook.tables.as_slice() {
        [] => String::new(),
        there => format!("{} can be written again, is never read again, and ", there.join(", ")),
    };
    format!(
        "finalizes the move {} ({}) with its {} sessions for good: {tables}no rollback is possible",
        outlook.run, outlook.phase, outlook.sessions
    )
}

/// Says what an unblock does.
pub(crate) fn unblocks(found: &UnblockReport) -> String {
    let line = |block: &LiftedBlock| format!("{} (the move {})", block.table, block.run);
    let blocks: Vec<String> = found.lifted.iter().map(line).collect();
    match blocks.is_empty() {
        true => format!("removes {} change logs whose moves are on no record", found.logs),
        false => format!(
            "lets applications write again to {}, of which no target knows then",
            blocks.join(" and ")
        ),
    }
}

pub(crate) fn finalize(report: &FinalizeReport) -> String {
    format!(
        "{}; nothing reads these tables any more: {}",
        report.phase,
        report.left_behind.join(", ")
    )
}

pub(crate) fn pause(report: &PauseReport) -> String {
    match (&report.applied, report.is_paused) {
        (Some(applied), _) => apply(applied),
        (None, _) if report.is_over => {
            format!("{}: no rows are moved any more, so there is nothing to pause", report.phase)
        }
        (None, true) => format!("{}: pauses after the batch in progress", report.phase),
        (None, false) => format!("{}: continues", report.phase),
    }
}

pub(crate) fn unblock(report: &UnblockReport) -> String {
    let line = |block: &LiftedBlock| {
        format!("{}: unblocked, was blocked by the move {}", block.table, block.run)
    };
    let mut lines: Vec<String> = report.lifted.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("writes are not blocked".to_owned());
    }
    if report.logs > 0 {
        lines.push(format!("{} change logs were removed", report.logs));
    }
    lines.join("\n")
}

pub(crate) fn unlock(report: &UnlockReport) -> String {
    match &report.taken_from {
        Some(holder) => format!(
            "released the lock of {holder}: {} connections were ended",
            report.ended_connections
        ),
        None => "the lock is free".to_owned(),
    }
}

pub(crate) fn status(report: &StatusReport) -> String {
    if report.moves.is_empty() {
        return match report.has_tables {
            true => "the tables exist; no move was started".to_owned(),
            false => "no move was started".to_owned(),
        };
    }
    let mut text = String::new();
    for of in &report.moves {
        let counts = &of.counts;
        let _ = writeln!(
            text,
            "{}: {}{}, {} of {} rows; next: {}",
            of.run,
            of.phase,
            if of.is_paused { " (paused)" } else { "" },
            counts.read,
            counts.expected,
            of.next
        );
        if let Some(source) = &of.source {
            let _ = writeln!(text, "  source: {source}");
        }
        if let Some(owner) = &of.owner {
            let _ = writeln!(text, "  last process: {owner}");
        }
        let _ = writeln!(text, "  last progress: {} s ago", of.idle_ms / 1000);
        if let Some(wait) = of.waits_for {
            let _ = writeln!(text, "  waits {}", wait.as_str());
        }
        if let Some(failback) = &of.failback {
            let _ = writeln!(
                text,
                "  failback: {} renewals, {} new sessions, {} ends, {} skipped",
                failback.written_back, failback.added, failback.ended, failback.skipped
            );
        }
        match &of.in_source {
            None => text.push_str("  writes to the source: unknown\n"),
            Some(source) if source.blocked.is_empty() => {
                text.push_str("  writes to the source: allowed\n");
            }
            Some(source) => {
                let _ = writeln!(text, "  writes refused: {}", source.blocked.join(", "));
            }
        }
        if let Some(source) = &of.in_source {
            let _ = writeln!(text, "  change log: {} entries", source.log_entries);
        }
    }
    text
}
