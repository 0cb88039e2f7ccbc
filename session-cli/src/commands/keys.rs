//! Seals with a new key, and revokes what is in the outbox.

use serde_json::json;
use session_core::SessionManager;
use session_core::manager::ResealReport;

use crate::error::CliError;
use crate::output::{Output, print_aside};
use crate::store::OpenStore;

/// After how many values progress is told.
const STEP: usize = 10_000;

/// Seals with the first key what other keys have sealed. What was done stays done if it is stopped.
pub(crate) async fn reseal(
    open: &OpenStore,
    manager: &SessionManager,
    first: &str,
    is_json: bool,
) -> Result<Output, CliError> {
    let total: u64 = open.store.statistics().await?.sealing_keys.iter().map(|(_, n)| *n).sum();
    let mut told = 0;
    let report = manager.reseal_with(|done| {
        let count = done.resealed + done.overtaken + done.unreadable;
        if !is_json && count >= told + STEP {
            told = count;
            print_aside(&format!("{count} of at most {total} values"));
        }
    });
    let ResealReport { resealed, overtaken, unreadable, .. } = report.await?;
    let left = open.store.statistics().await?.sealing_keys;
    let left: u64 = left.iter().filter(|(id, _)| id != first).map(|(_, count)| *count).sum();
    let mut text = format!(
        "{resealed} values sealed with the first key, {overtaken} changed meanwhile, {unreadable} opened by no key"
    );
    if left > 0 {
        text += &format!(
            "; {left} still need another key: keep it, and run this again once every node has the new \
             key first"
        );
    }
    let json = json!({
        "resealed": resealed, "overtaken": overtaken, "unreadable": unreadable, "left": left,
    });
    Ok(Output { is_well: left == 0, ..Output::new(json, text) })
}

/// Revokes tokens of ended sessions at the providers that were given.
pub(crate) async fn revoke(manager: &SessionManager, limit: u64) -> Result<Output, CliError> {
    let report = manager.process_revocations(limit).await?;
    let text = format!(
        "{} revoked, {} given up, {} held while other sessions use the grant, {} to be tried later",
        report.revoked, report.dropped, report.held, report.postponed
    );
    let json = json!({
        "revoked": report.revoked, "dropped": report.dropped, "held": report.held,
        "postponed": report.postponed,
    });
    Ok(Output::new(json, text))
}
