//! Reports for people.

mod plan;
mod prune;

use std::fmt::Write as _;

use session_migrate::report::{
    ApplyReport, FinalizeReport, PauseReport, RollbackReport, RowReport, StatusReport,
    UnlockReport, VerifyReport,
};

pub(crate) use plan::plan;
pub(crate) use prune::{Plans, Reports, prune_plans, prunes};

pub(crate) fn apply(report: &ApplyReport) -> String {
    let counts = &report.counts;
    let mut text = format!(
        "{}: {} sessions moved, {} set aside by the cap, {} unreadable, {} without tokens",
        report.phase, counts.moved, counts.pruned, counts.unreadable, counts.empty
    );
    if counts.repaired > 0 {
        let _ = write!(text, ", {} written again", counts.repaired);
    }
    let _ = write!(text, "\nrun {}, {} s of work", report.run, report.worked_ms / 1000);
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
        "{} rows in the source: {} live in the target, {} set aside by the cap, {} unreadable, \
         {} without tokens",
        report.source_rows,
        report.target_rows,
        report.pruned,
        report.unreadable,
        report.without_tokens
    );
    let _ = write!(
        text,
        "\n{} unclaimed, {} orphans, {} changed since the switch, {} differ",
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
    let mut text = format!(
        "{} rows taken out of the target, {} written back into the source",
        report.removed, report.written_back
    );
    if report.begun_since > 0 {
        let _ = write!(
            text,
            "\n{} sessions were begun in the target and stay there",
            report.begun_since
        );
    }
    for lost in &report.lost {
        let _ = write!(
            text,
            "\nlost: {} of {:?} at {:?}: {}",
            lost.id, lost.user, lost.provider, lost.why
        );
    }
    text
}

pub(crate) fn finalize(report: &FinalizeReport) -> String {
    format!("{}; nothing reads any more: {}", report.phase, report.left_behind.join(", "))
}

pub(crate) fn pause(report: &PauseReport) -> String {
    match (&report.applied, report.is_paused) {
        (Some(applied), _) => apply(applied),
        (None, true) => format!("{}: it pauses after the batch that is under way", report.phase),
        (None, false) => format!("{}: it goes on", report.phase),
    }
}

pub(crate) fn unlock(report: &UnlockReport) -> String {
    match &report.taken_from {
        Some(holder) => format!("the lock was taken from {holder}"),
        None => "nobody has the lock".to_owned(),
    }
}

pub(crate) fn status(report: &StatusReport) -> String {
    if report.moves.is_empty() {
        return match report.has_tables {
            true => "the tables are there; nothing was moved into them".to_owned(),
            false => "nothing was moved".to_owned(),
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
        if let Some(owner) = &of.owner {
            let _ = writeln!(text, "  last worked on by {owner}");
        }
    }
    text
}
