use crate::engine::Ground;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::lock::{Acquisition, Lock};

/// Who works, for people: the process, and since when.
pub(super) fn owner(ground: &Ground) -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
    let since = ground.clock().now().as_millis() / 1000;
    match host {
        Some(host) => format!("process {} on {host}, since {since}", std::process::id()),
        None => format!("process {}, since {since}", std::process::id()),
    }
}

/// The lock on a target, or an error that says who has it.
pub(super) async fn locked(ground: &Ground) -> Result<Lock, MigrateError> {
    let owner = owner(ground);
    match Lock::take(ground.options.target(), &ground.target, &owner).await? {
        Acquisition::Acquired(lock) => Ok(lock),
        Acquisition::HeldBy(holder) => {
            let journal = ground.journal.load(&ground.target).await.ok().flatten();
            let owner = journal.and_then(|journal| journal.owner);
            let who = owner.map_or_else(|| holder.clone(), |owner| format!("{owner} ({holder})"));
            Err(MigrateError::because(MigrateErrorKind::Busy, who))
        }
    }
}
