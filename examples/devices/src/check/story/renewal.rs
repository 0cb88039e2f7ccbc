//! Tokens that expire.

use std::time::Duration;

use futures_util::future::try_join_all;
use reqwest::StatusCode;

use super::super::problem::{Problem, same};
use super::super::step::Outcome;
use super::super::world::World;

/// A lifetime that can be waited for.
const SHORT: Duration = Duration::from_secs(2);

/// Of everything else.
const LONG: Duration = Duration::from_secs(300);

/// The tool tells whose token it was called with.
pub(super) async fn both_call_the_tool(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    let phone = world.device("phone")?.call_tool(&copy).await?;
    let laptop = world.device("laptop")?.call_tool(&copy).await?;
    match phone == laptop {
        true => Err(Problem::new("both devices call it with one login's token")),
        false => Ok("two logins, two tokens".to_owned()),
    }
}

/// Each is renewed once: what it gets then lives long.
pub(super) async fn both_expire(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    let (phone, laptop) = (world.device("phone")?, world.device("laptop")?);
    let logins = (phone.call_tool(&copy).await?, laptop.call_tool(&copy).await?);
    world.until(world.first_tokens_expire_at).await?;
    for _ in 0..3 {
        let now = (phone.call_tool(&copy).await?, laptop.call_tool(&copy).await?);
        same("the logins whose tokens are used", &now, &logins)?;
    }
    let stats = world.provider.stats();
    same("renewals at the provider", stats.renewals, 2)?;
    same("refresh tokens used twice", stats.reuse_detected, 0)?;
    let renewed = world.sessions("alice").await?;
    let renewed = renewed.iter().filter(|session| session.renewed_at.is_some()).count();
    same("renewed sessions", renewed, 2)?;
    Ok("two renewals at the provider, one for each session".to_owned())
}

/// All wait for one renewal, and all get its token.
pub(super) async fn a_hundred_at_once(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    world.provider.set_access_token_lifetime(SHORT);
    let watch = world.sign_in("watch", "alice").await?;
    let signed_in_at = world.manager()?.now();
    world.provider.set_access_token_lifetime(LONG);
    world.until(signed_in_at + SHORT).await?;
    // Long enough that the requests meet in it.
    world.provider.set_latency(Duration::from_millis(200));
    let before = world.provider.stats();
    let calls = try_join_all((0..100).map(|_| watch.get(format!("{copy}/api/tool")))).await?;
    world.provider.set_latency(Duration::ZERO);
    let served = calls.iter().filter(|answer| answer.status == StatusCode::OK).count();
    same("requests that were served", served, 100)?;
    let after = world.provider.stats();
    same("renewals at the provider", after.renewals - before.renewals, 1)?;
    same("token requests", after.token_requests - before.token_requests, 1)?;
    same("refresh tokens used twice", after.reuse_detected, before.reuse_detected)?;
    Ok("a hundred answers, one token request".to_owned())
}

/// The tool's 401 leads to one renewal, and the caller never sees it.
pub(super) async fn refused_early(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    let tablet = world.sign_in("reader", "alice").await?;
    let login = tablet.call_tool(&copy).await?;
    let before = world.provider.stats().renewals;
    if !world.provider.revoke_access_tokens(&login) {
        return Err(Problem::new("the provider does not know the login"));
    }
    same("the login whose token is used", tablet.call_tool(&copy).await?, login)?;
    same("renewals at the provider", world.provider.stats().renewals - before, 1)?;
    for device in ["watch", "reader"] {
        let id = world.device(device)?.session_id(&copy).await?;
        let url = format!("{copy}/api/sessions/{id}");
        let answer = world.device(device)?.send(reqwest::Method::DELETE, url, &[]).await?;
        answer.with_status(StatusCode::NO_CONTENT)?;
    }
    Ok("renewed once, and the caller got his answer".to_owned())
}
