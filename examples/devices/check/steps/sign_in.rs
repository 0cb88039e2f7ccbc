//! Sign-ins.

use std::time::Duration;

use reqwest::StatusCode;

use super::super::browser::Browser;
use super::super::scenario::Scenario;
use super::super::step::StepResult;
use super::super::step_error::{StepError, same};

/// The lifetime of the first tokens: longer than the sign-ins take, short enough to wait for.
const FIRST_LIFETIME: Duration = Duration::from_secs(3);

/// The lifetime of later tokens.
const LIFETIME: Duration = Duration::from_secs(300);

/// Signs in a phone and a laptop of one user, with short-lived tokens, and a tablet of another user.
pub(super) async fn two_devices(scenario: &mut Scenario) -> StepResult {
    scenario.sign_in("tablet", "bob").await?;
    let before = scenario.sessions("bob").await?.pop();
    scenario.before.insert("bob", before.ok_or_else(|| StepError::new("bob has no session"))?);
    scenario.provider.set_access_token_lifetime(FIRST_LIFETIME);
    let phone = scenario.sign_in("phone", "alice").await?;
    let laptop = scenario.sign_in("laptop", "alice").await?;
    // Renewed tokens live long, so that each of the two sessions is renewed exactly once.
    scenario.provider.set_access_token_lifetime(LIFETIME);
    scenario.first_tokens_expire_at = scenario.manager()?.now() + FIRST_LIFETIME;
    let copy = scenario.copy()?;
    let me = phone.get(format!("{copy}/api/me")).await?.with_status(StatusCode::OK)?;
    same("the phone's user", me.text("user")?, scenario.user("alice"))?;
    same("live sessions", scenario.sessions("alice").await?.len(), 2)?;
    let (one, other) = (phone.session_id(&copy).await?, laptop.session_id(&copy).await?);
    match one == other {
        true => Err(StepError::new("both devices have the same session")),
        false => Ok("two separate sessions".to_owned()),
    }
}

/// A new sign-in supersedes the session of the same browser, and no other; the cookie has the
/// attributes that its prefix requires.
pub(super) async fn again(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    let (phone, laptop) = (scenario.device("phone")?, scenario.device("laptop")?);
    let (old, others) = (phone.session_id(&copy).await?, laptop.session_id(&copy).await?);
    phone.sign_in(&copy, &scenario.user("alice")).await?;
    let new = phone.session_id(&copy).await?;
    if new == old {
        return Err(StepError::new("the session was not replaced"));
    }
    same("the laptop's session", laptop.session_id(&copy).await?, others)?;
    same("live sessions", scenario.sessions("alice").await?.len(), 2)?;
    signed_out_cookie(&copy, &scenario.user("carl")).await?;
    Ok("superseded, and the session of the other device is unchanged".to_owned())
}

/// Checks the attributes of the cookie, at a sign-out.
async fn signed_out_cookie(copy: &str, user: &str) -> Result<(), StepError> {
    let browser = Browser::signed_in(copy, user).await?;
    let url = format!("{copy}/logout");
    let reply = browser.send(reqwest::Method::POST, url, &[]).await?;
    let reply = reply.with_status(StatusCode::NO_CONTENT)?;
    let cookie = reply.cookies().find(|cookie| cookie.starts_with("devices_session="));
    let cookie = cookie.ok_or_else(|| StepError::new("the cookie is not cleared"))?;
    let is_missing = |attribute: &&str| !cookie.contains(*attribute);
    match ["HttpOnly", "SameSite=Lax", "Path=/"].iter().copied().find(|a| is_missing(a)) {
        Some(missing) => Err(StepError::new(format!("the cookie lacks {missing}"))),
        None => Ok(()),
    }
}
