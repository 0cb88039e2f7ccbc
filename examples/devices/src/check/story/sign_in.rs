//! Signing in.

use std::time::Duration;

use reqwest::StatusCode;

use super::super::browser::Browser;
use super::super::problem::{Problem, same};
use super::super::step::Outcome;
use super::super::world::World;

/// The lifetime of the first tokens: long enough to sign in, short enough to wait for.
const FIRST_LIFETIME: Duration = Duration::from_secs(3);

/// Of everything that is issued later.
const LIFETIME: Duration = Duration::from_secs(300);

/// A phone and a laptop of one user, whose tokens live shortly; a tablet of another.
pub(super) async fn two_devices(world: &mut World) -> Outcome {
    world.sign_in("tablet", "bob").await?;
    let before = world.sessions("bob").await?.pop();
    world.before.insert("bob", before.ok_or_else(|| Problem::new("bob has no session"))?);
    world.provider.set_access_token_lifetime(FIRST_LIFETIME);
    let phone = world.sign_in("phone", "alice").await?;
    let laptop = world.sign_in("laptop", "alice").await?;
    // Whatever is renewed from here on lives long: each of the two is renewed exactly once.
    world.provider.set_access_token_lifetime(LIFETIME);
    world.first_tokens_expire_at = world.manager()?.now() + FIRST_LIFETIME;
    let copy = world.copy()?;
    let me = phone.get(format!("{copy}/api/me")).await?.with_status(StatusCode::OK)?;
    same("the phone's user", me.text("user")?, world.user("alice"))?;
    same("live sessions", world.sessions("alice").await?.len(), 2)?;
    let (one, other) = (phone.session_id(&copy).await?, laptop.session_id(&copy).await?);
    match one == other {
        true => Err(Problem::new("both devices hold one session")),
        false => Ok("two sessions live side by side".to_owned()),
    }
}

/// Signing in again takes the place of the same browser's session, and of no other; the new cookie
/// keeps what the prefix promises.
pub(super) async fn anew(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    let (phone, laptop) = (world.device("phone")?, world.device("laptop")?);
    let (old, others) = (phone.session_id(&copy).await?, laptop.session_id(&copy).await?);
    phone.sign_in(&copy, &world.user("alice")).await?;
    let new = phone.session_id(&copy).await?;
    if new == old {
        return Err(Problem::new("the session is the old one"));
    }
    same("the laptop's session", laptop.session_id(&copy).await?, others)?;
    same("live sessions", world.sessions("alice").await?.len(), 2)?;
    signed_out_cookie(&copy, &world.user("carl")).await?;
    Ok("superseded, and the other device's session is as it was".to_owned())
}

/// What the browser is told about the cookie, seen at a sign-out.
async fn signed_out_cookie(copy: &str, user: &str) -> Result<(), Problem> {
    let browser = Browser::signed_in(copy, user).await?;
    let url = format!("{copy}/logout");
    let answer = browser.send(reqwest::Method::POST, url, &[]).await?;
    let answer = answer.with_status(StatusCode::NO_CONTENT)?;
    let cookie = answer.cookies().find(|cookie| cookie.starts_with("__Host-session="));
    let cookie = cookie.ok_or_else(|| Problem::new("the cookie is not cleared"))?;
    let is_kept = |attribute: &&str| !cookie.contains(*attribute);
    match ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"].iter().copied().find(|a| is_kept(a)) {
        Some(missing) => Err(Problem::new(format!("the cookie is not {missing}"))),
        None => Ok(()),
    }
}
