//! Carries out a plan, and resumes a move that was interrupted.

use super::begin::{Approval, begin};
use super::manifest::{
    MoveManifest, is_unconfirmed, journal, lock, moved_before, require_own_block, take_over,
};
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
use crate::throttle::require_replica;

/// What an error of an apply that has begun says.
const WAY_BACK: &str = "`session-migrate abort` takes the move back to the start";

pub(super) async fn apply(
    context: &MoveContext,
    approval: &Approval,
) -> Result<ApplyReport, MigrateError> {
    context.keyring()?;
    require_replica(&context.options.settings, &context.options.replicas)?;
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
    let mut current = journal(context).await?;
    if current.phase == Phase::Open && !is_unconfirmed(&current) {
        return Ok(ApplyReport::of(context, &current));
    }
    store_settings(context, &mut current).await?;
    let block_failure = run_phases(context, &current).await?;
    let mut report = ApplyReport::of(context, &journal(context).await?);
    if let Some(why) = block_failure {
        report.notes.push(format!("why it takes no triggers: {why}"));
    }
    Ok(report)
}

/// Takes over the settings of the move, and stores those that this process was given: a resume changes
/// what is stored.
async fn store_settings(context: &MoveContext, journal: &mut Journal) -> Result<(), MigrateError> {
    let mut manifest = MoveManifest::of(journal)?;
    context.adopt_settings(manifest.settings.clone());
    let settings = context.settings();
    if settings != manifest.settings {
        manifest.settings = settings;
        journal.options = manifest.to_json();
        context.journal.set_manifest(&context.target, context.id, &journal.options).await?;
    }
    Ok(())
}

async fn begin_anew(context: &MoveContext, approval: &Approval) -> Result<(), MigrateError> {
    if let Some(moved) = moved_before(context).await? {
        return Err(MigrateError::because(MigrateErrorKind::AlreadyMoved, moved));
    }
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
    if worker.phase == Phase::Cutover && worker.must_wait().await? {
        // It was killed behind the block, and the applications must not wait with it.
        captures.unblock_writes().await?;
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
    while worker.context.settings().postpones_cutover() {
        worker.wait(Wait::FlagFile).await?;
        if worker.context.options.is_online {
            names_rows &= catch_up(worker, captures, Until::NearlyEmpty).await?.names_rows;
        }
    }
    worker.waits_for(None).await?;
    Ok(names_rows)
}
