//! Lists, ends, counts and purges sessions.

use std::fmt::Write as _;

use serde_json::json;
use session_core::session::{Actor, EndCause};
use session_core::{ProviderName, SessionId, SessionManager};

use crate::arguments::UserArgument;
use crate::error::CliError;
use crate::output::Output;
use crate::store::OpenStore;

/// Lists the live sessions of a user.
pub(crate) async fn list(
    manager: &SessionManager,
    user: &UserArgument,
) -> Result<Output, CliError> {
    let sessions = manager.list(&user.0, None).await?;
    let sessions: Vec<_> = sessions.into_iter().map(|listed| listed.session).collect();
    let mut text = String::new();
    for session in &sessions {
        let _ = writeln!(
            text,
            "{}  {}  {}  last seen {}  {}",
            session.id,
            session.provider,
            session.origin.as_str(),
            session.last_seen_at,
            session.device
        );
    }
    let _ = write!(text, "{} live sessions", sessions.len());
    Ok(Output::new(json!({ "sessions": sessions }), text))
}

/// Ends one session of a user.
pub(crate) async fn end_one(
    manager: &SessionManager,
    user: &UserArgument,
    session: SessionId,
    actor: Option<Actor>,
) -> Result<Output, CliError> {
    manager.end_one_as_admin(&user.0, session, actor).await?;
    Ok(ended(1))
}

/// Ends all sessions of a user, or those of one provider.
pub(crate) async fn end_all(
    manager: &SessionManager,
    user: &UserArgument,
    of: Option<&ProviderName>,
    actor: Option<Actor>,
) -> Result<Output, CliError> {
    Ok(ended(manager.end_all(&user.0, of, EndCause::by_admin(actor)).await?))
}

fn ended(count: usize) -> Output {
    Output::new(json!({ "ended": count }), format!("{count} sessions ended"))
}

/// Counts what is stored.
pub(crate) async fn stats(open: &OpenStore, manager: &SessionManager) -> Result<Output, CliError> {
    let statistics = open.store.statistics().await?;
    let backlog = manager.revocation_backlog().await?;
    let mut text = String::new();
    let lists = [
        ("live sessions of", &statistics.live),
        ("ended sessions, not purged yet:", &statistics.ended),
        ("sealed with key", &statistics.sealing_keys),
    ];
    for (what, counts) in lists {
        for (name, count) in counts {
            let _ = writeln!(text, "{count:>12}  {what} {name}");
        }
    }
    let _ = write!(text, "{:>12}  pending revocations", backlog.count);
    let revocations = json!({ "pending": backlog.count, "oldest": backlog.oldest });
    let json = json!({
        "live": pairs(&statistics.live),
        "ended": pairs(&statistics.ended),
        "sealing_keys": pairs(&statistics.sealing_keys),
        "revocations": revocations,
    });
    Ok(Output::new(json, text))
}

fn pairs(counts: &[(String, u64)]) -> serde_json::Map<String, serde_json::Value> {
    counts.iter().map(|(name, count)| (name.clone(), (*count).into())).collect()
}

/// Deletes old sessions and events.
pub(crate) async fn purge(manager: &SessionManager) -> Result<Output, CliError> {
    let report = manager.purge().await?;
    let (sessions, events) = (report.sessions, report.events);
    let text = format!("{sessions} ended sessions and {events} events deleted");
    Ok(Output::new(json!({ "sessions": sessions, "events": events }), text))
}
