//! The cap on sessions.

use reqwest::StatusCode;

use super::super::browser::Browser;
use super::super::scenario::{MAX_SESSIONS, Scenario};
use super::super::step::StepResult;
use super::super::step_error::{StepError, same};
use super::super::stream::EventStream;

/// After ten devices one more signs in: the first is evicted, sees the reason, and its stream ends.
pub(super) async fn eleventh(scenario: &mut Scenario) -> StepResult {
    let (copy, user) = (scenario.copy()?, scenario.user("carol"));
    let mut devices = Vec::new();
    for _ in 0..MAX_SESSIONS {
        devices.push(Browser::signed_in(&copy, &user).await?);
    }
    let oldest = devices.first().ok_or_else(|| StepError::new("no device signed in"))?.clone();
    let oldest_id = oldest.session_id(&copy).await?;
    // Recent use does not protect the oldest.
    oldest.call_tool(&copy).await?;
    let stream = EventStream::open(&oldest, &copy).await?;
    devices.push(Browser::signed_in(&copy, &user).await?);
    same("why the stream ended", stream.end().await?.as_deref(), Some("evicted"))?;
    oldest.get(format!("{copy}/api/me")).await?.with_reason("evicted")?;
    for device in devices.iter().skip(1) {
        device.get(format!("{copy}/api/me")).await?.with_status(StatusCode::OK)?;
        device.call_tool(&copy).await?;
    }
    let live = scenario.sessions("carol").await?;
    same("live sessions", live.len(), devices.len() - 1)?;
    let is_gone = live.iter().all(|session| session.id.to_string() != oldest_id);
    same("whether the oldest is evicted", is_gone, true)?;
    Ok(format!("{} stay signed in, the oldest got: evicted", live.len()))
}
