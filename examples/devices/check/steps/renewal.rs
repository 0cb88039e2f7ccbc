//! Token renewal.

use std::time::Duration;

use futures_util::future::try_join_all;
use reqwest::StatusCode;

use super::super::scenario::Scenario;
use super::super::step::StepResult;
use super::super::step_error::{StepError, same};

/// The lifetime of tokens that must expire during the check.
const SHORT: Duration = Duration::from_secs(2);

/// The lifetime of all other tokens.
const LONG: Duration = Duration::from_secs(300);

/// Each device calls the tool with the token of its own login.
pub(super) async fn both_call_the_tool(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    let phone = scenario.device("phone")?.call_tool(&copy).await?;
    let laptop = scenario.device("laptop")?.call_tool(&copy).await?;
    match phone == laptop {
        true => Err(StepError::new("both devices use the token of one login")),
        false => Ok("two logins, two tokens".to_owned()),
    }
}

/// Each session is renewed exactly once.
pub(super) async fn both_expire(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    let (phone, laptop) = (scenario.device("phone")?, scenario.device("laptop")?);
    let logins = (phone.call_tool(&copy).await?, laptop.call_tool(&copy).await?);
    scenario.until(scenario.first_tokens_expire_at).await?;
    for _ in 0..3 {
        let now = (phone.call_tool(&copy).await?, laptop.call_tool(&copy).await?);
        same("the logins whose tokens are used", &now, &logins)?;
    }
    let stats = scenario.provider.stats();
    same("renewals at the provider", stats.renewals, 2)?;
    same("reused refresh tokens", stats.reuse_detected, 0)?;
    let renewed = scenario.sessions("alice").await?;
    let renewed = renewed.iter().filter(|session| session.renewed_at.is_some()).count();
    same("renewed sessions", renewed, 2)?;
    Ok("two renewals at the provider, one for each session".to_owned())
}

/// All requests wait for one renewal and use its token.
pub(super) async fn a_hundred_at_once(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    scenario.provider.set_access_token_lifetime(SHORT);
    let watch = scenario.sign_in("watch", "alice").await?;
    let signed_in_at = scenario.manager()?.now();
    scenario.provider.set_access_token_lifetime(LONG);
    scenario.until(signed_in_at + SHORT).await?;
    // Long enough that all requests arrive during the renewal.
    scenario.provider.set_latency(Duration::from_millis(200));
    let before = scenario.provider.stats();
    let calls = try_join_all((0..100).map(|_| watch.get(format!("{copy}/api/tool")))).await?;
    scenario.provider.set_latency(Duration::ZERO);
    let served = calls.iter().filter(|reply| reply.status == StatusCode::OK).count();
    same("requests that were served", served, 100)?;
    let after = scenario.provider.stats();
    same("renewals at the provider", after.renewals - before.renewals, 1)?;
    same("token requests", after.token_requests - before.token_requests, 1)?;
    same("reused refresh tokens", after.reuse_detected, before.reuse_detected)?;
    Ok("a hundred responses, one token request".to_owned())
}

/// A 401 of the tool causes one renewal, and the caller does not see it.
pub(super) async fn refused_early(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    let tablet = scenario.sign_in("reader", "alice").await?;
    let login = tablet.call_tool(&copy).await?;
    let before = scenario.provider.stats().renewals;
    if !scenario.provider.revoke_access_tokens(&login) {
        return Err(StepError::new("the provider does not know the login"));
    }
    same("the login whose token is used", tablet.call_tool(&copy).await?, login)?;
    same("renewals at the provider", scenario.provider.stats().renewals - before, 1)?;
    for device in ["watch", "reader"] {
        let id = scenario.device(device)?.session_id(&copy).await?;
        let url = format!("{copy}/api/sessions/{id}");
        let reply = scenario.device(device)?.send(reqwest::Method::DELETE, url, &[]).await?;
        reply.with_status(StatusCode::NO_CONTENT)?;
    }
    Ok("renewed once, and the request succeeded".to_owned())
}
