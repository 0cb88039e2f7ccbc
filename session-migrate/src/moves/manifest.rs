//! What a move records of itself when it begins, and the lock that its processes take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use session_core::SessionId;

use crate::capture::{Block, CaptureOwner, blocks};
use crate::engine::{CONNECTIONS, MoveContext};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Journal, Phase, RunnerConnections};
use crate::lock::{Acquisition, Lock};
use crate::options::MoveSpec;
use crate::settings::MoveSettings;
use crate::source::{Mapping, SourceError, SourceIdentity};
use crate::sql::Dialect;
use crate::sql::pool::server_ids;

/// For how long a command waits for the lock of a file, and how often it tries.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Recorded once; later runs must use the same options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MoveManifest {
    /// The options that decide where each row goes.
    pub(super) spec: MoveSpec,
    /// Whether the move created the target's tables, so that a rollback drops them.
    pub(super) made_tables: bool,
    /// Whether rows are loaded without indexes, which are created afterwards.
    pub(super) is_without_indexes: bool,
    /// The backup of the source's SQLite file.
    pub(super) backup: Option<String>,
    /// Which database the source is.
    pub(super) source: SourceIdentity,
    /// The tag of the triggers and logs in the source.
    pub(super) tag: String,
    /// The settings that the move was begun with, or that a resume has set.
    #[serde(default)]
    pub(super) settings: MoveSettings,
}

impl MoveManifest {
    /// Reads the manifest from the journal.
    pub(super) fn of(journal: &Journal) -> Result<Self, MigrateError> {
        serde_json::from_str(&journal.options).map_err(|error| {
            let detail = "another version of this program began the move: use that version";
            MigrateError::because(MigrateErrorKind::Phase, detail).caused_by(error)
        })
    }

    /// Returns the owner of the triggers and logs in the source.
    pub(super) fn capture_owner(&self, run: SessionId) -> CaptureOwner {
        CaptureOwner::with_tag(run, &self.tag)
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns an error if these options are not the ones that the move was begun with.
    pub(super) fn require(&self, spec: &MoveSpec) -> Result<(), MigrateError> {
        let others = self.spec.differences(spec);
        match others.is_empty() {
            true => Ok(()),
            false => Err(MigrateError::because(
                MigrateErrorKind::Usage,
                format!(
                    "this move was begun with another {}: use the same, or roll it back",
                    others.join(" and another ")
                ),
            )),
        }
    }
}

/// Gives this process the lease on the move, and records its connections.
pub(super) async fn take_over(context: &MoveContext, lock: &Lock) -> Result<(), MigrateError> {
    let (target, source) = tokio::try_join!(
        server_ids(&context.target, CONNECTIONS),
        server_ids(&context.source, CONNECTIONS)
    )?;
    let connections = RunnerConnections { lock: lock.connection(), target, source };
    // The same text as in the lock, by which a holder is known.
    let owner = lock.owner().map_or_else(|| owner(context), str::to_owned);
    context.journal.take_over(&context.target, &owner, &connections).await
}

/// Returns the name of this process for people: its id, and the time.
fn owner(context: &MoveContext) -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
    let since = context.clock().now().as_millis() / 1000;
    match host {
        Some(host) => format!("process {} on {host}, since {since}", std::process::id()),
        None => format!("process {}, since {since}", std::process::id()),
    }
}

/// Takes the lock on the target, or returns an error that names its holder.
pub(super) async fn lock(context: &MoveContext) -> Result<Lock, MigrateError> {
    let owner = owner(context);
    match take_lock(context, &owner).await? {
        Acquisition::Acquired(lock) => Ok(lock),
        Acquisition::HeldBy(holder) => {
            let journal = context.journal.load(&context.target).await.ok().flatten();
            let owner = journal.and_then(|journal| journal.owner);
            let holder = match owner {
                Some(owner) => format!("{owner} ({holder})"),
                None => holder,
            };
            Err(MigrateError::because(MigrateErrorKind::Busy, holder))
        }
    }
}

/// Takes the lock; for that of a file this waits as long as for that of a server, because a failback
/// has it for a moment at a time.
async fn take_lock(context: &MoveContext, owner: &str) -> Result<Acquisition<Lock>, MigrateError> {
    let since = context.clock().monotonic();
    loop {
        let lock = Lock::take(context.options.target(), &context.target, owner).await?;
        let is_over = context.clock().monotonic().saturating_sub(since) > LOCK_TIMEOUT;
        if is_over
            || context.dialect() != Dialect::Sqlite
            || matches!(lock, Acquisition::Acquired(_))
        {
            return Ok(lock);
        }
        context.clock().sleep(LOCK_PAUSE).await;
    }
}

/// Takes the lock on the target; `None` if another process has it.
pub(super) async fn try_lock(context: &MoveContext) -> Result<Option<Lock>, MigrateError> {
    match Lock::take(context.options.target(), &context.target, &owner(context)).await? {
        Acquisition::Acquired(lock) => Ok(Some(lock)),
        Acquisition::HeldBy(_) => Ok(None),
    }
}

/// Returns the journal of the move.
///
/// # Errors
///
/// Returns an error of the kind `NoMove` that names the moves of other sources.
pub(super) async fn journal(context: &MoveContext) -> Result<Journal, MigrateError> {
    match context.journal.load(&context.target).await? {
        Some(journal) => Ok(journal),
        None => Err(no_move(context).await?),
    }
}

/// Returns the error for a source without a move.
pub(super) async fn no_move(context: &MoveContext) -> Result<MigrateError, MigrateError> {
    let all = context.journal.all(&context.target).await?;
    let others: Vec<String> = all
        .iter()
        .filter_map(|journal| MoveManifest::of(journal).ok())
        .map(|manifest| format!("{:?}", manifest.source.as_str()))
        .collect();
    if others.is_empty() {
        return Ok(MigrateError::new(MigrateErrorKind::NoMove));
    }
    Ok(MigrateError::because(
        MigrateErrorKind::NoMove,
        format!(
            "with this source ({:?}) and mapping; the moves here are of {}: if this is that very \
             database, give --name with its name",
            context.identity.as_str(),
            others.join(" and ")
        ),
    ))
}

/// Returns which mapping another move of this source has, and what to do; `None` if none has one. The
/// rows would get the same ids, and the tokens that were renewed since would be overwritten.
pub(super) async fn moved_before(context: &MoveContext) -> Result<Option<String>, MigrateError> {
    let mine: Vec<&str> = context.mappings.mapping.iter().map(Mapping::name).collect();
    for journal in context.journal.all(&context.target).await? {
        if journal.id == context.id || journal.phase == Phase::RolledBack {
            continue;
        }
        let manifest = MoveManifest::of(&journal)?;
        let theirs = manifest.spec.mappings().mapping.iter().map(Mapping::name);
        let shared = theirs.into_iter().find(|name| mine.contains(name));
        if let Some(name) = shared.filter(|_| manifest.source == context.identity) {
            return Ok(Some(format!(
                "the mapping {name:?} of this source belongs to the move {} ({}): leave it out, or \
                 use the mappings that the move was begun with",
                journal.id, journal.phase
            )));
        }
    }
    Ok(None)
}

/// Returns whether the target was opened, and the comparison that follows was not completed.
pub(super) fn is_unconfirmed(journal: &Journal) -> bool {
    journal.phase == Phase::Open && journal.result_digest.is_none()
}

/// Returns the error for what an unconfirmed move must not do yet.
pub(super) fn unconfirmed() -> MigrateError {
    MigrateError::because(
        MigrateErrorKind::Phase,
        "the target is open, and its comparison with the source has failed or was not completed: \
         run apply again",
    )
}

/// Returns an error if another move blocks writes to the source: its sessions are elsewhere.
pub(super) async fn require_own_block(
    context: &MoveContext,
    manifest: Option<&MoveManifest>,
) -> Result<(), MigrateError> {
    let is_mapped =
        |block: &Block| context.mappings.mapping.iter().any(|of| of.table == block.table);
    let is_own = |block: &Block| manifest.is_some_and(|manifest| manifest.tag == block.tag);
    let blocks = blocks(&context.source).await.map_err(SourceError::from)?;
    match blocks.into_iter().find(|block| is_mapped(block) && !is_own(block)) {
        None => Ok(()),
        Some(Block { table, run, .. }) => Err(MigrateError::because(
            MigrateErrorKind::Phase,
            format!(
                "writes to {table} are blocked by the move {run}, which took its sessions \
                 elsewhere: roll that move back, or lift its block with `session-migrate unblock`"
            ),
        )),
    }
}
