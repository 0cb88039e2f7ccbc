//! Carries out a plan, and resumes a move that was interrupted.

use super::begin::{Approval, begin};
use super::manifest::{MoveManifest, journal, lock, require_own_block, take_over};
use super::proof::prove_keys;
use super::report::ApplyReport;
use crate::engine::{
    Captures, MoveContext, Until, Worker, catch_up, confirm, converge_online, count_rows, cutover,
    load,
};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Journal, Phase};
use crate::lock::Lock;
use crate::settings::Wait;
use crate::target::create_indexes;

/// What an error of an apply that has begun says.
const WAY_BACK: &str = "`session-migrate abort` takes the move back to the start";

pub(super) async fn apply(
    context: &MoveContext,
    approval: &Approval,
) -> Result<ApplyReport, MigrateError> {
    context.keyring()?;
    let lock = lock(context).await?;
    let report = apply_locked(context, approval, &lock).await;
    lock.release().await;
    match report {
        Err(error) if has_begun(context).await => Err(error.with_hint(WAY_BACK)),
        report => report,
    }
}

/// Returns whether there is a move to take back, as far as the target tells.
async fn has_begun(context: &MoveContext) -> bool {
    let journal = context.journal.load(&context.target).await.ok().flatten();
    journal.is_some_and(|journal| journal.switched_at.is_none())
}

async fn apply_locked(
    context: &MoveContext,
    approval: &Approval,
    lock: &Lock,
) -> Result<ApplyReport, MigrateError> {
    match context.journal.load(&context.target).await? {
        Some(journal) if journal.phase.is_before_cutover() || is_unconfirmed(&journal) => {
            require_same(context, &journal, approval)?;
            prove_keys(context, &journal).await?;
            require_own_block(context, Some(&MoveManifest::of(&journal)?)).await?;
        }
        Some(journal) if context.options.is_step && journal.phase.is_done() => {
            require_same_spec(context, &journal)?;
            return Ok(ApplyReport::of(context, &journal));
        }
        Some(journal) => match journal.phase {
            Phase::Open => {
                require_same(context, &journal, approval)?;
                return Ok(ApplyReport::of(context, &journal));
            }
            Phase::Finalized => {
                return Err(MigrateError::because(
                    MigrateErrorKind::AlreadyMoved,
                    "this move was finalized",
                ));
            }
            Phase::RollBack => {
                return Err(MigrateError::because(
                    MigrateErrorKind::Phase,
                    "the move is being rolled back: run rollback again until it is done",
                ));
            }
            _ => begin_anew(context, approval).await?,
        },
        None => begin_anew(context, approval).await?,
    }
    take_over(context, lock).await?;
    // The last commit of a killed process may have come in between, so the journal is read again.
    let current = journal(context).await?;
    if current.phase == Phase::Open && !is_unconfirmed(&current) {
        return Ok(ApplyReport::of(context, &current));
    }
    context.adopt_settings(MoveManifest::of(&current)?.settings);
    let block_failure = run_phases(context, &current).await?;
    let mut report = ApplyReport::of(context, &journal(context).await?);
    if let Some(why) = block_failure {
        let note = format!("writes to the source are not blocked: it takes no triggers ({why})");
        report.notes = vec![note];
    }
    Ok(report)
}

/// Returns whether the target was opened, and the comparison that follows was not completed.
fn is_unconfirmed(journal: &Journal) -> bool {
    journal.phase == Phase::Open && journal.result_digest.is_none()
}

async fn begin_anew(context: &MoveContext, approval: &Approval) -> Result<(), MigrateError> {
    require_own_block(context, None).await?;
    begin(context, approval).await
}

/// Returns an error if a move that was begun was begun with other options or another plan.
fn require_same(
    context: &MoveContext,
    journal: &Journal,
    approval: &Approval,
) -> Result<(), MigrateError> {
    require_same_spec(context, journal)?;
    let Approval::Plan(digest) = approval else { return Ok(()) };
    let detail = match &journal.plan_digest {
        Some(begun) if begun == digest => return Ok(()),
        Some(begun) => format!("this move was begun with the plan {begun}"),
        None => "this move was begun without a plan: give --yes instead".to_owned(),
    };
    Err(MigrateError::because(MigrateErrorKind::StalePlan, detail))
}

fn require_same_spec(context: &MoveContext, journal: &Journal) -> Result<(), MigrateError> {
    MoveManifest::of(journal)?.require(&context.options.spec(&context.mappings))
}

/// Runs every phase from the journal's on; returns why writes to the source are not blocked, if they
/// could not be.
async fn run_phases(
    context: &MoveContext,
    journal: &Journal,
) -> Result<Option<String>, MigrateError> {
    let mut worker = Worker::resume(context, journal)?;
    let manifest = MoveManifest::of(journal)?;
    let captures = Captures::of(context, &manifest.capture_owner(context.id))?;
    if worker.phase != Phase::Open {
        if context.options.is_online {
            // Before the first row is read, so that every later change is logged.
            captures.start().await?;
        }
        run_until_open(&mut worker, &captures, manifest.is_without_indexes).await?;
    }
    let opened = self::journal(context).await?;
    if let Some(opened_at) = opened.switched_at.filter(|_| is_unconfirmed(&opened)) {
        confirm(&mut worker, opened_at).await?;
    }
    Ok(worker.block_failure)
}

async fn run_until_open(
    worker: &mut Worker<'_>,
    captures: &Captures<'_>,
    is_without_indexes: bool,
) -> Result<(), MigrateError> {
    let context = worker.context;
    if worker.counts.expected == 0 {
        worker.counts.expected = count_rows(context).await?;
    }
    worker.note_alone().await?;
    if worker.phase == Phase::Load {
        load(worker).await?;
        if is_without_indexes {
            create_indexes(&context.target, context.dialect()).await?;
        }
        worker.enter(Phase::CatchUp).await?;
    }
    let compared = match worker.phase {
        // The less there is left to do behind the block, the shorter it is.
        Phase::CatchUp if context.options.is_online => converge_online(worker, captures).await?,
        _ => None,
    };
    let names_rows = wait_for_flag(worker, captures).await?;
    cutover(worker, captures, compared.filter(|_| names_rows)).await
}

/// Waits while the file exists that postpones the cutover; an online move goes on catching up. Returns
/// whether each change that was applied meanwhile named its rows.
async fn wait_for_flag(
    worker: &mut Worker<'_>,
    captures: &Captures<'_>,
) -> Result<bool, MigrateError> {
    let mut names_rows = true;
    while let Some(flag) = worker.context.settings().cutover_when_removed {
        // A file that cannot be looked at may be there.
        if !flag.try_exists().unwrap_or(true) {
            break;
        }
        worker.wait(Wait::FlagFile).await?;
        if worker.context.options.is_online {
            names_rows &= catch_up(worker, captures, Until::NearlyEmpty).await?.names_rows;
        }
    }
    worker.waits_for(None).await?;
    Ok(names_rows)
}
