//! The commands on a move, and those on the tables.

use std::io::Write as _;

use session_migrate::source::connect_read_only;
use session_migrate::{Approval, FailbackMode, MigrateErrorKind, Move, move_status};

use super::args::{BackArgs, MoveArgs, PaceArgs};
use super::confirm::confirm;
use super::error::CliError;
use super::progress::ProgressDisplay;
use super::signal::stoppable;
use super::{CommandOutput, show};

pub(crate) async fn plan(
    args: &MoveArgs,
    sql: bool,
    is_strict: bool,
) -> Result<CommandOutput, CliError> {
    let moving = Move::new(args.options()?);
    let display = ProgressDisplay::start(moving.progress());
    let plan = moving.plan().await?;
    drop(display);
    let statements = if sql { moving.statements().await? } else { Vec::new() };
    let is_success = !plan.is_unreadable();
    let text = match args.json {
        true => {
            let mut value = serde_json::to_value(&plan).unwrap_or_default();
            if let (true, Some(report)) = (sql, value.as_object_mut()) {
                report.insert("sql".to_owned(), statements.into());
            }
            serde_json::to_string_pretty(&value).unwrap_or_default()
        }
        false => show::plan(&plan, &statements),
    };
    let quarantined = plan.mappings.iter().map(|of| of.pruned + of.unreadable).sum();
    let outcome = CommandOutput { is_success, ..CommandOutput::success(text) };
    Ok(outcome.strictly(is_strict, quarantined))
}

pub(crate) async fn apply(
    (args, pace): (&MoveArgs, &PaceArgs),
    plan: Option<String>,
    yes: bool,
    (is_strict, and_failback): (bool, bool),
) -> Result<CommandOutput, CliError> {
    let approval = match (plan, yes) {
        (Some(digest), _) => Approval::Plan(digest),
        (None, true) => Approval::Unreviewed,
        (None, false) => {
            return Err(CliError::usage(
                "apply writes to the databases: give --plan DIGEST, which `plan` prints, or --yes",
            ));
        }
    };
    let moving = Move::new(pace.add_to(args.options()?)?);
    let display = ProgressDisplay::start(moving.progress());
    let report = stoppable(&moving, moving.apply(approval)).await?;
    drop(display);
    let quarantined = report.counts.pruned + report.counts.unreadable;
    let output =
        CommandOutput::of(&report, args.json, show::apply).strictly(is_strict, quarantined);
    if !and_failback {
        return Ok(output);
    }
    let _ = writeln!(std::io::stdout(), "{}", output.text.trim_end());
    failback(args, false).await
}

/// Keeps the source current until it is stopped, or the move is finalized or rolled back.
pub(crate) async fn failback(args: &MoveArgs, is_once: bool) -> Result<CommandOutput, CliError> {
    let moving = Move::new(args.options()?);
    let mode = if is_once { FailbackMode::Once } else { FailbackMode::Follow };
    let display = ProgressDisplay::start(moving.progress());
    let report = stoppable(&moving, moving.failback(mode)).await?;
    drop(display);
    Ok(CommandOutput::of(&report, args.json, show::failback))
}

pub(crate) async fn verify(
    args: &MoveArgs,
    rows: bool,
    is_strict: bool,
) -> Result<CommandOutput, CliError> {
    let (moving, json) = (Move::new(args.options()?), args.json);
    // Rows show by themselves how far it has come.
    let display = (!rows).then(|| ProgressDisplay::start(moving.progress()));
    let (mut out, cancel) = (std::io::stdout().lock(), moving.cancellation());
    let (mut listed, mut is_closed) = (0_u64, false);
    if rows && json {
        // Rows are printed first, as they are read: there can be millions.
        let _ = write!(out, "{{\n  \"rows\": [");
    }
    let report = moving.verify(|row| {
        if rows {
            let line = serde_json::to_string(&row).unwrap_or_default();
            let written = match (json, listed) {
                (true, 0) => write!(out, "\n    {line}"),
                (true, _) => write!(out, ",\n    {line}"),
                (false, _) => writeln!(out, "{}", show::row(&row)),
            };
            listed += 1;
            if written.is_err() {
                // The reader has seen enough, as `head` has: the rest is of no use.
                is_closed = true;
                cancel.cancel();
            }
        }
    });
    let report = report.await;
    drop(display);
    let report = match report {
        Err(_) if is_closed => return Ok(CommandOutput::success(String::new())),
        Ok(report) => report,
        Err(error) => {
            if rows && json {
                let error = CliError::from(error);
                let rest = error.to_json();
                let _ = writeln!(out, "],{}", rest.trim_start().trim_start_matches('{'));
                return Err(error.printed());
            }
            return Err(error.into());
        }
    };
    let is_success = report.is_clean();
    let text = match (json, rows) {
        (true, true) => {
            let text = serde_json::to_string_pretty(&report).unwrap_or_default();
            format!("\n  ],{}", text.trim_start().trim_start_matches('{'))
        }
        (true, false) => serde_json::to_string_pretty(&report).unwrap_or_default(),
        (false, _) => show::verify(&report),
    };
    let quarantined = report.pruned + report.unreadable;
    let outcome = CommandOutput { is_success, ..CommandOutput::success(text) };
    Ok(outcome.strictly(is_strict, quarantined))
}

/// Rolls back, or aborts, which also succeeds where there is no move.
pub(crate) async fn rollback(args: &BackArgs, is_abort: bool) -> Result<CommandOutput, CliError> {
    let (BackArgs { args, discard_renewed, yes }, renewed) = (args, args.renewed());
    let moving = Move::new(args.options()?);
    match moving.outlook().await {
        Ok(outlook) => confirm(&show::rolls_back(&outlook, *discard_renewed), *yes)?,
        Err(error) if is_abort && error.kind() == MigrateErrorKind::NoMove => {}
        Err(error) => return Err(error.into()),
    }
    let display = ProgressDisplay::start(moving.progress());
    let report = match is_abort {
        true => stoppable(&moving, moving.abort(renewed)).await?,
        false => stoppable(&moving, moving.rollback(renewed)).await?,
    };
    drop(display);
    let is_success = report.is_done;
    Ok(CommandOutput { is_success, ..CommandOutput::of(&report, args.json, show::rollback) })
}

pub(crate) async fn finalize(args: &MoveArgs, yes: bool) -> Result<CommandOutput, CliError> {
    let moving = Move::new(args.options()?);
    confirm(&show::finalizes(&moving.outlook().await?), yes)?;
    let report = moving.finalize().await?;
    Ok(CommandOutput::of(&report, args.json, show::finalize))
}

pub(crate) async fn pause(args: &MoveArgs) -> Result<CommandOutput, CliError> {
    let report = Move::new(args.options()?).pause().await?;
    Ok(CommandOutput::of(&report, args.json, show::pause))
}

pub(crate) async fn resume(args: &MoveArgs, set: &[String]) -> Result<CommandOutput, CliError> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let changes: Option<Vec<(String, String)>> = set.iter().map(pair).collect();
    let changes = changes.ok_or_else(|| CliError::usage("--set takes NAME=VALUE"))?;
    let moving = Move::new(args.options()?);
    let display = ProgressDisplay::start(moving.progress());
    let report = stoppable(&moving, moving.resume_with(&changes)).await?;
    drop(display);
    Ok(CommandOutput::of(&report, args.json, show::pause))
}

pub(crate) async fn unlock(args: &MoveArgs) -> Result<CommandOutput, CliError> {
    let report = Move::new(args.options()?).unlock().await?;
    Ok(CommandOutput::of(&report, args.json, show::unlock))
}

/// Lifts every block on the source. Needs neither keys nor a mapping: the source knows its blocks.
pub(crate) async fn unblock(
    from: &str,
    to: Option<&str>,
    (yes, json): (bool, bool),
) -> Result<CommandOutput, CliError> {
    let found = session_migrate::unblockable(from, to).await?;
    if !found.lifted.is_empty() || found.logs > 0 {
        confirm(&show::unblocks(&found), yes)?;
    }
    Ok(CommandOutput::of(&session_migrate::unblock(from, to).await?, json, show::unblock))
}

/// Shows the moves into a target and, where only the target is given, the state of its migrations.
///
/// Needs neither keys nor a mapping: the target knows its moves.
pub(crate) async fn status(
    from: Option<&str>,
    to: Option<&str>,
    json: bool,
) -> Result<CommandOutput, CliError> {
    let environment = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
    // What is written on the command line comes before the environment.
    let given = to.or(from).or(environment.as_deref());
    let target = given.ok_or_else(|| CliError::usage("give --from URL or --to URL"))?;
    if to.is_none() && from.is_some() {
        // A source that does not exist is a mistake; a target can be created later.
        let _ = connect_read_only(target).await?.close().await;
    }
    let mut outcome = CommandOutput::of(&move_status(from, target).await?, json, show::status);
    if from.is_none() && !json {
        let mut text = String::new();
        for step in session_migrate::status(target).await? {
            let state = if step.is_applied { "applied" } else { "pending" };
            text.push_str(&format!("{state} {}\n", step.name));
        }
        outcome.text = format!("{text}{}", outcome.text);
    }
    Ok(outcome)
}

pub(crate) async fn up(target: &str) -> Result<CommandOutput, CliError> {
    Ok(steps("applied", &session_migrate::up(target).await?))
}

pub(crate) async fn down(target: &str, yes: bool) -> Result<CommandOutput, CliError> {
    if !yes {
        return Err(CliError::usage("down drops every session: confirm with --yes"));
    }
    Ok(steps("dropped", &session_migrate::down(target).await?))
}

fn steps(what: &str, steps: &[String]) -> CommandOutput {
    let lines: Vec<String> = steps.iter().map(|step| format!("{what} {step}")).collect();
    let text = if lines.is_empty() { "nothing to do".to_owned() } else { lines.join("\n") };
    CommandOutput::success(text)
}
