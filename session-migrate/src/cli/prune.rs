//! `session-migrate prune`: enforces a cap in place on every mapped table.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use session_migrate::prune::{ProviderPrune, Prune, PrunePlan, PruneReport};

use super::CommandOutput;
use super::args::{CapArgs, SourceArgs};
use super::error::CliError;

/// The arguments of `prune`, which needs no key of the target.
#[derive(Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cap: CapArgs,
    /// The maximum number of rows in a transaction [default: as many as take less than two seconds].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: Option<u32>,
    /// Archives and deletes the rows over the cap; without it nothing is written.
    #[arg(long)]
    yes: bool,
    /// Prints a report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The plans of all mapped tables.
#[derive(Serialize)]
struct PrunePlans {
    /// The schema of this object: `session-migrate/prune-plans/1`.
    schema: &'static str,
    rows: u64,
    pruned: u64,
    mappings: Vec<PrunePlan>,
}

/// The reports of all mapped tables.
#[derive(Serialize)]
struct PruneReports {
    /// The schema of this object: `session-migrate/prunes/1`.
    schema: &'static str,
    rows: u64,
    pruned: u64,
    is_stopped: bool,
    mappings: Vec<PruneReport>,
}

/// Shows what would be pruned; prunes it with `--yes`.
pub(crate) async fn run(args: &PruneArgs) -> Result<CommandOutput, CliError> {
    if !args.cap.is_given() {
        return Err(CliError::usage("give --max-sessions N or --policy FILE"));
    }
    if args.source.to.is_some() {
        return Err(CliError::usage("prune changes the tables where they are: leave --to out"));
    }
    let (layout, codecs) = (args.source.layout()?, SourceArgs::codecs()?);
    let url = &args.source.from;
    let mut prunes = Prune::of_layout(url, &layout, &codecs, &args.cap.cap()?).await?;
    if let Some(rows) = args.batch.and_then(NonZeroU32::new) {
        prunes = prunes.into_iter().map(|prune| prune.batch(rows)).collect();
    }
    if args.yes { apply(&prunes, args.json).await } else { plan(&prunes, args.json).await }
}

async fn plan(prunes: &[Prune], is_json: bool) -> Result<CommandOutput, CliError> {
    let schema = "session-migrate/prune-plans/1";
    let mut plans = PrunePlans { schema, rows: 0, pruned: 0, mappings: Vec::new() };
    for prune in prunes {
        let plan = prune.plan().await?;
        plans.rows += plan.rows;
        plans.pruned += plan.pruned;
        plans.mappings.push(plan);
    }
    let is_success = plans.mappings.iter().all(|plan| plan.referring.is_empty());
    Ok(CommandOutput { is_success, ..CommandOutput::of(&plans, is_json, show_plans) })
}

async fn apply(prunes: &[Prune], is_json: bool) -> Result<CommandOutput, CliError> {
    let schema = "session-migrate/prunes/1";
    let mut reports =
        PruneReports { schema, rows: 0, pruned: 0, is_stopped: false, mappings: Vec::new() };
    let stop = stop_on_ctrl_c();
    for prune in prunes {
        let report = apply_one(prune, &stop).await.map_err(|error| match reports.pruned {
            0 => error,
            _ => error.after(&show_reports(&reports).replace('\n', "; ")),
        })?;
        reports.rows += report.rows;
        reports.pruned += report.pruned;
        reports.is_stopped |= report.is_stopped;
        reports.mappings.push(report);
        if reports.is_stopped {
            break;
        }
    }
    let outcome = CommandOutput::of(&reports, is_json, show_reports);
    Ok(CommandOutput { is_success: !reports.is_stopped, ..outcome })
}

async fn apply_one(prune: &Prune, stop: &AtomicBool) -> Result<PruneReport, CliError> {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let report = prune.apply(
        |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.pruned);
        },
        stop,
    );
    let report = report.await;
    bar.finish_and_clear();
    Ok(report?)
}

/// Returns a flag that Ctrl-C sets: the batch in progress is then the last.
fn stop_on_ctrl_c() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("stopping after the batch in progress");
            asked.store(true, Ordering::Relaxed);
        }
    });
    stop
}

/// Shows what would be pruned, without keys: a key can be a cookie.
fn show_plans(plans: &PrunePlans) -> String {
    let mut text = String::new();
    for plan in &plans.mappings {
        let _ = writeln!(
            text,
            "{}: {} of {} rows would be pruned, over-cap partitions: {}",
            plan.mapping, plan.pruned, plan.rows, plan.partitions
        );
        for provider in &plan.providers {
            show_provider(&mut text, provider);
        }
    }
    let referring: Vec<_> = plans.mappings.iter().flat_map(|plan| &plan.referring).collect();
    for rows in &referring {
        let _ = writeln!(text, "  refer to rows over the cap: {rows}");
    }
    text.push_str(match referring.is_empty() {
        true => "nothing was written: --yes archives and deletes these rows",
        false => {
            "nothing was written, and --yes is refused: the rows that refer to these would be \
             deleted or changed with them, without an archive"
        }
    });
    text
}

fn show_provider(text: &mut String, provider: &ProviderPrune) {
    let max = match provider.max {
        Some(max) => format!("at most {max} in each partition"),
        None => "no limit".to_owned(),
    };
    let _ = writeln!(
        text,
        "  {:?}: {} of {} rows would be pruned ({max})",
        provider.provider, provider.pruned, provider.rows
    );
}

/// Shows what was pruned.
fn show_reports(reports: &PruneReports) -> String {
    let mut lines = Vec::new();
    for report in &reports.mappings {
        let mut text = format!(
            "{}: {} of {} rows were pruned, over-cap partitions: {}, run {}",
            report.mapping, report.pruned, report.rows, report.partitions, report.run
        );
        if report.changed > 0 {
            let _ = write!(
                text,
                "\n  {} rows changed during the run and were ranked again",
                report.changed
            );
        }
        if let Some(archive) = &report.archive {
            let _ =
                write!(text, "\n  archived in {archive}; to restore them, run in one transaction:");
        }
        for statement in &report.undo {
            let _ = write!(text, "\n    {statement};");
        }
        if report.is_stopped {
            text.push_str("\n  stopped: run the same command again to continue");
        }
        lines.push(text);
    }
    lines.join("\n")
}

/// Leaves out the address, which can contain a password.
impl std::fmt::Debug for PruneArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PruneArgs").field("source", &self.source).finish_non_exhaustive()
    }
}
