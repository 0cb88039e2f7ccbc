//! Lists what happened to the sessions of a user.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use session_core::clock::{Clock as _, SystemClock};
use session_core::event::Event;

use crate::arguments::UserArgument;
use crate::error::CliError;
use crate::output::Output;
use crate::store::OpenStore;

/// Lists what happened to the sessions of a user for a time, newest first, with who did it.
pub(crate) async fn history(
    open: &OpenStore,
    user: &UserArgument,
    back: Duration,
    limit: u64,
) -> Result<Output, CliError> {
    let since = SystemClock::new().now() - back;
    let events = open.store.events_of_user(&user.0, since, limit).await?;
    let mut text = String::new();
    for event in &events {
        let (kind, detail) = event.kind.as_strs();
        let _ = write!(text, "{}  {}  {}  {kind}", event.at, event.session, event.provider);
        let _ = detail.map(|detail| write!(text, " {detail}"));
        let _ = event.actor.as_ref().map(|actor| write!(text, " by {actor}"));
        text.push('\n');
    }
    let _ = write!(text, "{} events", events.len());
    let events: Vec<_> = events.iter().map(as_json).collect();
    Ok(Output::new(json!({ "events": events }), text))
}

fn as_json(event: &Event) -> Value {
    let (kind, detail) = event.kind.as_strs();
    json!({
        "at": event.at,
        "session": event.session,
        "provider": event.provider.as_str(),
        "kind": kind,
        "detail": detail,
        "actor": event.actor.as_ref().map(|actor| actor.as_str()),
    })
}
