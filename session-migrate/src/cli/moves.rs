//! The calls on a move.

use std::io::Write as _;

use serde::Serialize;
use session_migrate::{Approval, Move, Renewed, move_status};

use super::bar::Bar;
use super::failure::Failure;
use super::show;
use super::words::MoveWords;

/// What is printed, and whether all is as it should be.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) is_good: bool,
}

impl Answer {
    pub(crate) fn of<T: Serialize>(value: &T, is_json: bool, prose: impl Fn(&T) -> String) -> Self {
        let text = match is_json {
            true => serde_json::to_string_pretty(value).unwrap_or_default(),
            false => prose(value),
        };
        Self { text, is_good: true }
    }
}

pub(crate) async fn plan(words: &MoveWords, sql: bool, json: bool) -> Result<Answer, Failure> {
    let moving = Move::new(words.options()?);
    let plan = moving.plan().await?;
    let statements = if sql { moving.statements().await? } else { Vec::new() };
    let is_good = !plan.is_unreadable();
    let text = match json {
        true => {
            let mut value = serde_json::to_value(&plan).unwrap_or_default();
            if let (true, Some(form)) = (sql, value.as_object_mut()) {
                form.insert("sql".to_owned(), statements.into());
            }
            serde_json::to_string_pretty(&value).unwrap_or_default()
        }
        false => show::plan(&plan, &statements),
    };
    Ok(Answer { text, is_good })
}

pub(crate) async fn apply(
    words: &MoveWords,
    plan: Option<String>,
    yes: bool,
    json: bool,
) -> Result<Answer, Failure> {
    let approval = match (plan, yes) {
        (Some(digest), _) => Approval::Plan(digest),
        (None, true) => Approval::Unreviewed,
        (None, false) => {
            return Err(Failure::usage(
                "apply writes: give --plan DIGEST, which plan prints, or --yes",
            ));
        }
    };
    let moving = Move::new(words.options()?);
    let bar = Bar::show(moving.progress());
    let report = stoppable(&moving, moving.apply(approval)).await?;
    drop(bar);
    Ok(Answer::of(&report, json, show::apply))
}

/// Stops after the batch that is under way where a person asks for it once; a second time kills.
async fn stoppable<T>(
    moving: &Move,
    work: impl Future<Output = Result<T, session_migrate::MigrateError>>,
) -> Result<T, Failure> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => Ok(done?),
        _ = tokio::signal::ctrl_c() => {
            eprintln!("stopping after this batch");
            moving.cancellation().cancel();
            Ok(work.await?)
        }
    }
}

pub(crate) async fn verify(words: &MoveWords, rows: bool, json: bool) -> Result<Answer, Failure> {
    let moving = Move::new(words.options()?);
    let mut out = std::io::stdout().lock();
    let mut listed = 0_u64;
    if rows && json {
        // Rows come first and as they are read: there may be millions.
        let _ = write!(out, "{{\n  \"rows\": [");
    }
    let report = moving.verify(|row| {
        if rows {
            let line = serde_json::to_string(&row).unwrap_or_default();
            let _ = match (json, listed) {
                (true, 0) => write!(out, "\n    {line}"),
                (true, _) => write!(out, ",\n    {line}"),
                (false, _) => writeln!(out, "{}", show::row(&row)),
            };
            listed += 1;
        }
    });
    let report = report.await;
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            if rows && json {
                let error = Failure::from(error);
                let rest = error.to_json();
                let _ = writeln!(out, "],{}", rest.trim_start().trim_start_matches('{'));
                return Err(error.printed());
            }
            return Err(error.into());
        }
    };
    let is_good = report.is_clean();
    let text = match (json, rows) {
        (true, true) => {
            let text = serde_json::to_string_pretty(&report).unwrap_or_default();
            format!("\n  ],{}", text.trim_start().trim_start_matches('{'))
        }
        (true, false) => serde_json::to_string_pretty(&report).unwrap_or_default(),
        (false, _) => show::verify(&report),
    };
    Ok(Answer { text, is_good })
}

pub(crate) async fn rollback(
    words: &MoveWords,
    discard: bool,
    json: bool,
) -> Result<Answer, Failure> {
    let renewed = if discard { Renewed::Discard } else { Renewed::WriteBack };
    let report = Move::new(words.options()?).rollback(renewed).await?;
    Ok(Answer::of(&report, json, show::rollback))
}

pub(crate) async fn finalize(words: &MoveWords, json: bool) -> Result<Answer, Failure> {
    let report = Move::new(words.options()?).finalize().await?;
    Ok(Answer::of(&report, json, show::finalize))
}

pub(crate) async fn pause(words: &MoveWords, json: bool) -> Result<Answer, Failure> {
    let report = Move::new(words.options()?).pause().await?;
    Ok(Answer::of(&report, json, show::pause))
}

pub(crate) async fn resume(words: &MoveWords, json: bool) -> Result<Answer, Failure> {
    let moving = Move::new(words.options()?);
    let bar = Bar::show(moving.progress());
    let report = stoppable(&moving, moving.resume()).await?;
    drop(bar);
    Ok(Answer::of(&report, json, show::pause))
}

pub(crate) async fn unlock(words: &MoveWords, json: bool) -> Result<Answer, Failure> {
    let report = Move::new(words.options()?).unlock().await?;
    Ok(Answer::of(&report, json, show::unlock))
}

/// Needs neither keys nor a mapping: the target says which moves there are.
pub(crate) async fn status(target: &str, json: bool) -> Result<Answer, Failure> {
    let report = move_status(target).await?;
    Ok(Answer::of(&report, json, show::status))
}
