//! Tool clients, which have no cookie.

use session_core::{EndReason, ProviderName, TokenResponse, UserId};

use super::super::scenario::Scenario;
use super::super::step::StepResult;
use super::super::step_error::{StepError, same};

/// A new connection replaces the old one; the user's browsers stay signed in.
pub(super) async fn replaced(scenario: &mut Scenario) -> StepResult {
    let manager = scenario.manager()?;
    let user = UserId::new(scenario.user("alice"))?;
    let provider = ProviderName::new("mcp:calendar")?;
    let browsers = scenario.sessions("alice").await?.len();
    let old = manager.connect(&user, &provider, TokenResponse::bearer("first")).await?;
    let new = manager.connect(&user, &provider, TokenResponse::bearer("second")).await?;
    let ended: Vec<_> = new.ended.iter().map(|ended| (ended.id, ended.reason)).collect();
    same("sessions ended for it", ended, vec![(old.session.id, EndReason::Replaced)])?;
    let found = manager.find_connection(&user, &provider).await?;
    let found = found.ok_or_else(|| StepError::new("the connection was not found"))?;
    same("the connection", found.id, new.session.id)?;
    same("live sessions", scenario.sessions("alice").await?.len(), browsers + 1)?;
    scenario.device("phone")?.call_tool(&scenario.copy()?).await?;
    manager.end_one(&user, new.session.id).await?;
    Ok("one connection, and the browser still calls the tool".to_owned())
}
