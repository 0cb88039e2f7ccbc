//! Making the target what some rows of the source ask for, whatever stands there.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm_migration::sea_orm::DatabaseTransaction;
use session_core::{Keyring, SessionId};

use super::fill::count;
use super::pass::in_parts;
use super::work::Work;
use crate::engine::begin;
use crate::error::MigrateError;
use crate::journal::{Phase, Place};
use crate::source::SourceRow;
use crate::target::{Content, Ready, Standing, is_one_aside, ready};

/// Rows of one mapping as they are in the source now, with what the cap says of each; and the ids
/// of rows that are there no more.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) mapping: usize,
    pub(crate) rows: Vec<(SourceRow, bool)>,
    pub(crate) gone: Vec<SessionId>,
}

/// What is to be done so that what stands is what is wanted.
#[derive(Debug, Default)]
struct Steps<'a> {
    insert: Vec<&'a Ready>,
    update: Vec<&'a Ready>,
    remove: Vec<SessionId>,
}

/// Writes what differs, and notes how far the work is, in one transaction. Gives how many rows
/// differed.
///
/// A session that has ended in the target stays ended: nothing is resurrected.
pub(crate) async fn reconcile(
    work: &mut Work<'_>,
    wanted: Wanted,
    to: &Place,
) -> Result<u64, MigrateError> {
    let Wanted { mapping, rows, gone } = wanted;
    let Some(gate) = work.ground.gate(mapping) else { return Ok(0) };
    let keyring = Arc::clone(&work.keyring);
    let prepared = in_parts(rows, move |(row, is_pruned)| {
        let arrival = gate.arrival(&row, is_pruned);
        let id = arrival.id;
        Ok((id, ready(&row, arrival, &keyring)?))
    });
    let prepared = prepared.await?;
    let mut mark = work.mark();
    loop {
        match try_reconcile(work, &prepared, &gone, to).await {
            Ok(changed) => return Ok(changed),
            Err(failure) => work.again(&mut mark, failure).await?,
        }
    }
}

async fn try_reconcile(
    work: &mut Work<'_>,
    prepared: &[(SessionId, Option<Ready>)],
    gone: &[SessionId],
    to: &Place,
) -> Result<u64, MigrateError> {
    let transaction = begin(&work.ground.target).await?;
    let changed = carry_out(work, &transaction, prepared, gone).await?;
    work.place = to.clone();
    work.note(&transaction).await?;
    transaction.commit().await?;
    Ok(changed)
}

async fn carry_out(
    work: &mut Work<'_>,
    transaction: &DatabaseTransaction,
    prepared: &[(SessionId, Option<Ready>)],
    gone: &[SessionId],
) -> Result<u64, MigrateError> {
    let ids: Vec<SessionId> = prepared.iter().map(|(id, _)| *id).collect();
    let standing = work.target.standings(transaction, &ids).await?;
    let mut steps = steps(prepared, &standing, &work.keyring);
    steps.remove.extend(gone);
    work.target.remove(transaction, &steps.remove).await?;
    work.target.insert(transaction, steps.insert.iter().copied(), work.now()).await?;
    for row in &steps.update {
        work.target.update(transaction, row).await?;
    }
    let removed = steps.remove.len();
    let changed = steps.insert.len() + steps.update.len() + removed;
    let changed = u64::try_from(changed).unwrap_or(u64::MAX);
    if work.phase == Phase::Rank {
        work.counts.read += u64::try_from(prepared.len()).unwrap_or(0);
        count(work, steps.insert.into_iter());
    } else {
        work.counts.repaired += changed;
    }
    Ok(changed)
}

fn steps<'a>(
    prepared: &'a [(SessionId, Option<Ready>)],
    standing: &HashMap<SessionId, Standing>,
    keyring: &Keyring,
) -> Steps<'a> {
    let mut steps = Steps::default();
    for (id, wanted) in prepared {
        match (standing.get(id), wanted) {
            (None, None) => {}
            (None, Some(row)) => steps.insert.push(row),
            (Some(_), None) => steps.remove.push(*id),
            (Some(there), Some(row)) => match step(there, row, keyring) {
                Step::Keep => {}
                Step::Update => steps.update.push(row),
                Step::Replace => {
                    steps.remove.push(*id);
                    steps.insert.push(row);
                }
            },
        }
    }
    steps
}

/// What becomes of a row that stands already.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Keep,
    Update,
    Replace,
}

fn step(there: &Standing, row: &Ready, keyring: &Keyring) -> Step {
    match (there, &row.content) {
        (Standing::Live(there), _) if there.is_ended => Step::Keep,
        (Standing::Live(there), Content::Live(live, _)) => {
            let is_same = there.open(keyring).is_some_and(|opened| there.is_for(live, &opened));
            match (is_same, there.names(live)) {
                (true, _) => Step::Keep,
                (false, true) => Step::Update,
                (false, false) => Step::Replace,
            }
        }
        (Standing::Aside { id, state, sealed, .. }, Content::Aside { reason, sealed: now, .. })
            if state == reason.state() && is_one_aside(*id, sealed, now, keyring) =>
        {
            Step::Keep
        }
        _ => Step::Replace,
    }
}
