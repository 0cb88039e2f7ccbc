//! Carrying a plan out.

use super::backup;
use super::begun::Begun;
use super::locked::{locked, owner};
use super::report::ApplyReport;
use crate::engine::{Findings, Pass, Until, Watches, Work, drain, each, fill, rank, round, switch};
use crate::engine::{Ground, begin};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Journal, Phase, exists};
use crate::plan;
use crate::target::{check_columns, create_indexes, drop_indexes, is_empty};

/// Why an apply may write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Approval {
    /// Somebody has read the plan of this digest; if it is not the plan now, nothing is written.
    Plan(String),
    /// Somebody wants it to go on that was begun.
    Resume,
    /// Somebody wants it without having read a plan.
    Unseen,
}

pub(super) async fn apply(
    ground: &Ground,
    approval: &Approval,
) -> Result<ApplyReport, MigrateError> {
    ground.keyring()?;
    let lock = locked(ground).await?;
    let report = alone(ground, approval).await;
    lock.release().await;
    report
}

async fn alone(ground: &Ground, approval: &Approval) -> Result<ApplyReport, MigrateError> {
    match ground.journal.load(&ground.target).await? {
        Some(journal) if journal.phase.is_before_switch() => resumed(ground, &journal, approval)?,
        Some(journal) if ground.options.is_step && journal.phase.is_done() => {
            Begun::of(&journal)?.require(&ground.options.words(&ground.mappings))?;
            return Ok(ApplyReport::of(ground, &journal, None));
        }
        Some(journal) if journal.phase == Phase::Switched => {
            return Ok(ApplyReport::of(ground, &journal, None));
        }
        Some(journal) if journal.phase == Phase::Finalized => {
            return Err(MigrateError::because(
                MigrateErrorKind::AlreadyMoved,
                "this move was finalized",
            ));
        }
        Some(journal) if journal.phase == Phase::RollBack => {
            return Err(MigrateError::because(
                MigrateErrorKind::Phase,
                "it is being taken back; run rollback to its end first",
            ));
        }
        _ => begun(ground, approval).await?,
    }
    ground.journal.take_over(&ground.target, &owner(ground)).await?;
    // The last commit of a killed process may have come between: read it as it is now.
    let journal = loaded(ground).await?;
    if journal.phase == Phase::Switched {
        return Ok(ApplyReport::of(ground, &journal, None));
    }
    let (findings, is_barred) = work(ground, &journal).await?;
    let journal = loaded(ground).await?;
    let mut report = ApplyReport::of(ground, &journal, Some(&findings));
    if let Err(why) = is_barred {
        report.notes =
            vec![format!("the source takes no triggers, so writes to it are not refused: {why}")];
    }
    Ok(report)
}

/// A move that was begun goes on, in the same words.
fn resumed(ground: &Ground, journal: &Journal, approval: &Approval) -> Result<(), MigrateError> {
    Begun::of(journal)?.require(&ground.options.words(&ground.mappings))?;
    match approval {
        Approval::Plan(digest) if journal.plan_digest.as_ref().is_some_and(|it| it != digest) => {
            Err(MigrateError::because(
                MigrateErrorKind::StalePlan,
                "the move that is under way carries another plan out",
            ))
        }
        _ => Ok(()),
    }
}

/// A move begins: everything is checked before anything is written.
async fn begun(ground: &Ground, approval: &Approval) -> Result<(), MigrateError> {
    let digest = match approval {
        Approval::Plan(digest) => {
            let plan = plan::plan(ground).await?;
            plan.require(digest)?;
            if plan.is_unreadable() {
                return Err(all_unreadable(plan.unreadable_rows()));
            }
            Some(digest.as_str())
        }
        Approval::Resume => return Err(MigrateError::new(MigrateErrorKind::NoMove)),
        Approval::Unseen => {
            require_readable(ground).await?;
            None
        }
    };
    let dialect = ground.dialect();
    let has_tables = exists(&ground.target, dialect, "login_session").await?;
    if has_tables {
        check_columns(&ground.target).await?;
    }
    if ground.options.is_step {
        require_tables(ground).await?;
    }
    let backup = backup::backup(ground).await?;
    if !ground.options.is_step {
        crate::up(ground.options.target()).await?;
    }
    check_columns(&ground.target).await?;
    let words = ground.options.words(&ground.mappings);
    // Online, the application may use the table already.
    let is_bare = !ground.options.is_online && is_empty(&ground.target, dialect).await?;
    let begun = Begun { words, made_tables: !has_tables, is_bare, backup };
    let now = ground.clock().now();
    let transaction = begin(&ground.target).await?;
    ground.journal.begin(&transaction, &begun.to_json(), digest, now).await?;
    if is_bare {
        drop_indexes(&transaction, dialect).await?;
    }
    Ok(transaction.commit().await?)
}

/// The steps before this one make the tables; their migrator knows which of them were applied.
async fn require_tables(ground: &Ground) -> Result<(), MigrateError> {
    for table in ["login_session", "session_move", "session_move_aside"] {
        if !exists(&ground.target, ground.dialect(), table).await? {
            return Err(MigrateError::because(
                MigrateErrorKind::Target,
                format!(
                    "there is no {table}: the steps of session_migrate::migrations() come first"
                ),
            ));
        }
    }
    Ok(())
}

async fn loaded(ground: &Ground) -> Result<Journal, MigrateError> {
    let journal = ground.journal.load(&ground.target).await?;
    journal.ok_or_else(|| MigrateError::new(MigrateErrorKind::NoMove))
}

/// Refuses a source of which no row opens: the key is the wrong one, and everything would be set
/// aside.
async fn require_readable(ground: &Ground) -> Result<(), MigrateError> {
    let mut unreadable = 0_u64;
    for table in &ground.tables {
        let mut pass = Pass::new(table, &ground.source, None);
        while let Some(batch) = pass.next(500).await? {
            let opened = each(table, batch.rows, |row| {
                Ok((row.tokens.opened().is_some(), row.tokens.is_unreadable()))
            });
            for (is_opened, is_unreadable) in opened.await? {
                if is_opened {
                    return Ok(());
                }
                unreadable += u64::from(is_unreadable);
            }
        }
    }
    match unreadable {
        0 => Ok(()),
        rows => Err(all_unreadable(rows)),
    }
}

fn all_unreadable(rows: u64) -> MigrateError {
    MigrateError::because(
        MigrateErrorKind::Unreadable,
        format!("all {rows} rows with tokens; give the source's key, and older ones with it"),
    )
}

/// Every phase from where the journal has come to.
async fn work(
    ground: &Ground,
    journal: &Journal,
) -> Result<(Findings, Result<(), String>), MigrateError> {
    let mut work = Work::resume(ground, journal)?;
    let watches = Watches::of(ground)?;
    if ground.options.is_online {
        // Before the first row is read: what is written from now on is noted.
        watches.start(ground).await?;
    }
    if work.counts.expected == 0 {
        work.counts.expected = plan::rows(ground).await?;
    }
    work.note_alone().await?;
    if work.phase == Phase::Fill {
        fill(&mut work).await?;
        work.enter(Phase::Rank).await?;
    }
    if work.phase == Phase::Rank {
        rank(&mut work).await?;
        if Begun::of(journal)?.is_bare {
            create_indexes(&ground.target, ground.dialect()).await?;
        }
        work.enter(Phase::CatchUp).await?;
    }
    if work.phase == Phase::CatchUp && ground.options.is_online {
        caught_up(&mut work, &watches).await?;
    }
    let findings = switch(&mut work, &watches).await?;
    Ok((findings, work.is_barred))
}

/// Before the bar: the less there is to do behind it, the shorter it holds.
async fn caught_up(work: &mut Work<'_>, watches: &Watches) -> Result<(), MigrateError> {
    drain(work, watches, Until::NearlyDry).await?;
    // Once is enough here: what is written meanwhile differs until it is applied.
    round(work).await?;
    drain(work, watches, Until::NearlyDry).await
}
