//! One more than fits.

use reqwest::StatusCode;

use super::super::browser::Browser;
use super::super::problem::{Problem, same};
use super::super::step::Outcome;
use super::super::stream::EventStream;
use super::super::world::{MAX_SESSIONS, World};

/// Ten devices, then one more: the first leaves, is told why, and its open stream ends.
pub(super) async fn eleventh(world: &mut World) -> Outcome {
    let (copy, user) = (world.copy()?, world.user("carol"));
    let mut devices = Vec::new();
    for _ in 0..MAX_SESSIONS {
        devices.push(Browser::signed_in(&copy, &user).await?);
    }
    let oldest = devices.first().ok_or_else(|| Problem::new("there are no devices"))?.clone();
    let oldest_id = oldest.session_id(&copy).await?;
    // Being used last does not save the oldest.
    oldest.call_tool(&copy).await?;
    let stream = EventStream::open(&oldest, &copy).await?;
    devices.push(Browser::signed_in(&copy, &user).await?);
    same("why the stream ended", stream.end().await?.as_deref(), Some("evicted"))?;
    oldest.get(format!("{copy}/api/me")).await?.says_why("evicted")?;
    for device in devices.iter().skip(1) {
        device.get(format!("{copy}/api/me")).await?.with_status(StatusCode::OK)?;
        device.call_tool(&copy).await?;
    }
    let live = world.sessions("carol").await?;
    same("live sessions", live.len(), devices.len() - 1)?;
    let is_gone = live.iter().all(|session| session.id.to_string() != oldest_id);
    same("whether the oldest is gone", is_gone, true)?;
    Ok(format!("{} stay, the oldest was told: evicted", live.len()))
}
