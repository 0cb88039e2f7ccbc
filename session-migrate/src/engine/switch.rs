//! The switch: the source is barred, the last changes are applied, the target is opened.

use super::catch_up::{Until, drain};
use super::findings::Findings;
use super::settle::settle;
use super::watches::Watches;
use super::work::Work;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::Phase;

/// Bars writes to the source, applies what was written before, compares both sides, and opens the
/// target. If that fails, the bar is lifted again and the old application goes on.
pub(crate) async fn switch(
    work: &mut Work<'_>,
    watches: &Watches,
) -> Result<Findings, MigrateError> {
    work.enter(Phase::Switch).await?;
    match barred(work, watches).await {
        Ok(findings) => {
            work.enter(Phase::Switched).await?;
            Ok(findings)
        }
        Err(error) => {
            lift(work, watches).await?;
            Err(error)
        }
    }
}

async fn barred(work: &mut Work<'_>, watches: &Watches) -> Result<Findings, MigrateError> {
    bar(work, watches).await?;
    if work.ground.options.is_online {
        drain(work, watches, Until::Dry).await?;
    }
    settle(work).await
}

/// Offline, a source that takes no triggers is moved all the same: nobody writes to it.
async fn bar(work: &mut Work<'_>, watches: &Watches) -> Result<(), MigrateError> {
    match watches.bar(work.ground).await {
        Err(error) if !work.ground.options.is_online => {
            work.is_barred = Err(error.to_string());
            Ok(())
        }
        barred => barred,
    }
}

/// The old application goes on as before.
async fn lift(work: &mut Work<'_>, watches: &Watches) -> Result<(), MigrateError> {
    let noted = work.enter(Phase::CatchUp).await;
    match &noted {
        // Who has taken the move over may be at work behind this bar.
        Err(error) if error.kind() == MigrateErrorKind::Lost => return noted,
        _ => {}
    }
    if work.is_barred.is_ok() {
        watches.unbar(work.ground).await?;
    }
    noted
}
