//! Clients without a cookie.

use session_core::{EndReason, ProviderName, TokenResponse, UserId};

use super::super::problem::{Problem, same};
use super::super::step::Outcome;
use super::super::world::World;

/// Connecting again replaces the connection; the browsers of the same user stay.
pub(super) async fn replaced(world: &mut World) -> Outcome {
    let manager = world.manager()?;
    let user = UserId::new(world.user("alice"))?;
    let provider = ProviderName::new("mcp:calendar")?;
    let browsers = world.sessions("alice").await?.len();
    let old = manager.connect(&user, &provider, TokenResponse::bearer("first")).await?;
    let new = manager.connect(&user, &provider, TokenResponse::bearer("second")).await?;
    let ended: Vec<_> = new.ended.iter().map(|ended| (ended.id, ended.reason)).collect();
    same("who ended for it", ended, vec![(old.session.id, EndReason::Replaced)])?;
    let found = manager.find_connection(&user, &provider).await?;
    let found = found.ok_or_else(|| Problem::new("the connection is not found"))?;
    same("the connection", found.id, new.session.id)?;
    same("live sessions", world.sessions("alice").await?.len(), browsers + 1)?;
    world.device("phone")?.call_tool(&world.copy()?).await?;
    manager.end_one(&user, new.session.id).await?;
    Ok("one connection, and the browser still calls the tool".to_owned())
}
