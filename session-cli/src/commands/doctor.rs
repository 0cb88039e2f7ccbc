//! Checks a deployment, and says what to do about what is wrong.

use std::fmt::Write as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::json;
use session_core::clock::{Clock as _, SystemClock};
use session_core::manager::StartError;
use session_core::store::{MaintenanceRounds as _, RevocationOutbox as _};

use crate::error::CliError;
use crate::output::Output;
use crate::store::{OpenStore, keyring};

/// By how much the clocks of nodes may differ: one that is further ahead ends no session.
const MAX_AHEAD: Duration = Duration::from_secs(600);

/// How old a pending revocation may be.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Without a round of maintenance for this long, no node does any.
const MAX_IDLE: Duration = Duration::from_secs(3600);

/// One check.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    is_well: bool,
    message: String,
}

impl Finding {
    const fn new(check: &'static str, is_well: bool, message: String) -> Self {
        Self { check, is_well, message }
    }
}

/// Checks the schema, the keys, the clock, maintenance and the outbox. Writes nothing.
pub(crate) async fn doctor(
    open: &OpenStore,
    database: &SecretString,
    keys: Option<&SecretString>,
) -> Result<Output, CliError> {
    let schema = schema(open, database).await?;
    let mut findings = vec![schema];
    if findings.iter().all(|finding| finding.is_well) {
        findings.push(sealing_keys(open, keys).await?);
        findings.push(rounds(open).await?);
        findings.push(outbox(open).await?);
    }
    let mut text = String::new();
    for Finding { check, is_well, message } in &findings {
        let _ = writeln!(text, "{}  {check}: {message}", if *is_well { "ok   " } else { "WRONG" });
    }
    let is_well = findings.iter().all(|finding| finding.is_well);
    let json = json!({ "is_well": is_well, "checks": findings });
    Ok(Output { is_well, ..Output::new(json, text) })
}

/// Checks that every step of the schema was applied.
async fn schema(open: &OpenStore, database: &SecretString) -> Result<Finding, CliError> {
    let steps = session_migrate::status(database.expose_secret()).await?;
    let missing: Vec<_> = steps.iter().filter(|step| !step.is_applied).collect();
    let is_other = missing.len() == steps.len() && open.store.statistics().await.is_ok();
    let message = match missing.first() {
        // The application's own migrator keeps a list of its own.
        _ if is_other => "the tables are there, recorded by another migrator".to_owned(),
        None => format!("all {} steps are applied", steps.len()),
        Some(step) => format!("{} is not applied: run `session-migrate up`", step.name),
    };
    Ok(Finding::new("schema", missing.is_empty() || is_other, message))
}

/// Checks that the keys open what is stored.
async fn sealing_keys(open: &OpenStore, keys: Option<&SecretString>) -> Result<Finding, CliError> {
    let Some(keys) = keys else {
        let message = "SESSION_KEYS is not set: not checked".to_owned();
        return Ok(Finding::new("sealing keys", false, message));
    };
    let (first, known) = (keyring(Some(keys))?, known_ids(keys));
    let used = open.store.statistics().await?.sealing_keys;
    let missing: Vec<_> = used.iter().filter(|(id, _)| !known.contains(&id.as_str())).collect();
    if let Some((id, count)) = missing.first() {
        let message =
            format!("{count} sessions need the key {id}, which SESSION_KEYS lacks: restore it");
        return Ok(Finding::new("sealing keys", false, message));
    }
    // Opens one session for each key.
    if let Err(error) = open.manager(Some(keys), &[], None).await {
        let message = match &error {
            CliError::Start(StartError::WrongKey { key_id, .. }) => {
                format!("the key {key_id} is not the one that has sealed under this id")
            }
            other => other.to_string(),
        };
        return Ok(Finding::new("sealing keys", false, message));
    }
    let old: u64 = used.iter().filter(|(id, _)| id != first.sealing_key_id()).map(|(_, n)| n).sum();
    let message = match old {
        0 => format!("everything is sealed with {}", first.sealing_key_id()),
        _ => format!("{old} sessions are sealed with older keys: `sessions reseal` changes that"),
    };
    Ok(Finding::new("sealing keys", true, message))
}

fn known_ids(keys: &SecretString) -> Vec<&str> {
    let entries = keys.expose_secret().split(',');
    entries.filter_map(|entry| Some(entry.trim().split_once(':')?.0)).collect()
}

/// Compares this machine's clock with the node that did the last round of maintenance.
async fn rounds(open: &OpenStore) -> Result<Finding, CliError> {
    let now = SystemClock::new().now();
    let rounds = open.store.list_rounds(1).await?;
    let Some(last) = rounds.first() else {
        let message = "no node has done a round: call `SessionManager::maintain`".to_owned();
        return Ok(Finding::new("maintenance", false, message));
    };
    let (ahead, since) = (last.at.since(now), now.since(last.at));
    let message = match (ahead > MAX_AHEAD, since > MAX_IDLE) {
        (true, _) => format!("a node's clock is {} s ahead of this machine's", ahead.as_secs()),
        (_, true) => format!("the last round was {} s ago: does a node maintain?", since.as_secs()),
        _ => format!("the last round was {} s ago", since.as_secs()),
    };
    Ok(Finding::new("maintenance", ahead <= MAX_AHEAD && since <= MAX_IDLE, message))
}

/// Checks that tokens of ended sessions are revoked in time.
async fn outbox(open: &OpenStore) -> Result<Finding, CliError> {
    let backlog = open.store.revocation_backlog().await?;
    let now = SystemClock::new().now();
    let age = backlog.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
    let hours = age.as_secs() / 3600;
    let message = match backlog.count {
        0 => "empty".to_owned(),
        count => format!("{count} tokens are to be revoked, the oldest since {hours} hours"),
    };
    Ok(Finding::new("outbox of revocations", age <= MAX_AGE, message))
}
