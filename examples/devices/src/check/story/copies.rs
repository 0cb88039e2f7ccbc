//! Two copies on one database.

use futures_util::future::try_join_all;
use reqwest::{Method, StatusCode};

use super::super::browser::Browser;
use super::super::problem::{Problem, same};
use super::super::step::Outcome;
use super::super::stream::EventStream;
use super::super::world::{MAX_SESSIONS, MAX_STALENESS, World};
use crate::app::App;
use crate::settings::{ProviderChoice, Settings};

/// A second copy joins the first's provider; a cookie of either is good at both.
pub(super) async fn second_copy(world: &mut World) -> Outcome {
    let issuer = world.app()?.issuer().parse().map_err(|_| Problem::new("the issuer is no URL"))?;
    let provider = ProviderChoice::Outside {
        issuer,
        client_id: "devices".to_owned(),
        client_secret: Some("devices-secret".into()),
    };
    let second = App::start(Settings { provider, ..world.settings.clone() }).await?;
    world.join(second);
    let (first, second) = (world.copy()?, world.second_copy()?);
    let phone = world.device("phone")?;
    same("the phone's session", phone.session_id(&second).await?, phone.session_id(&first).await?)?;
    phone.call_tool(&second).await?;
    let desk = Browser::signed_in(&second, &world.user("alice")).await?;
    same("the desk's session", desk.session_id(&first).await?, desk.session_id(&second).await?)?;
    desk.call_tool(&first).await?;
    let answer = desk.send(Method::POST, format!("{first}/logout"), &[]).await?;
    answer.with_status(StatusCode::NO_CONTENT)?;
    Ok("a sign-in at either is good at both".to_owned())
}

/// Ended at the first, known and watched at the second.
pub(super) async fn ends_elsewhere(world: &mut World) -> Outcome {
    let (first, second) = (world.copy()?, world.second_copy()?);
    let phone = world.device("phone")?;
    let desk = Browser::signed_in(&second, &world.user("alice")).await?;
    let stream = EventStream::open(&desk, &second).await?;
    let id = desk.session_id(&second).await?;
    let url = format!("{first}/api/sessions/{id}");
    phone.send(Method::DELETE, url, &[]).await?.with_status(StatusCode::NO_CONTENT)?;
    let ended_at = world.manager()?.now();
    world.until(ended_at + MAX_STALENESS).await?;
    desk.get(format!("{second}/api/me")).await?.says_why("revoked_by_user")?;
    same("why the stream ended", stream.end().await?.as_deref(), Some("revoked_by_user"))?;
    Ok(format!("401 at the other copy after {} ms", MAX_STALENESS.as_millis()))
}

/// However the sign-ins meet, ten are in at the end.
pub(super) async fn cap_over_both(world: &mut World) -> Outcome {
    let (first, second, user) = (world.copy()?, world.second_copy()?, world.user("dave"));
    let sign_ins = (0..20).map(|number| {
        let copy = if number % 2 == 0 { &first } else { &second };
        Browser::signed_in(copy, &user)
    });
    let devices = try_join_all(sign_ins).await?;
    let live = world.sessions("dave").await?.len();
    same("live sessions", u32::try_from(live).ok(), Some(MAX_SESSIONS))?;
    let (mut served, mut evicted) = (0, 0);
    world.until(world.manager()?.now() + MAX_STALENESS).await?;
    for device in devices {
        let answer = device.get(format!("{first}/api/me")).await?;
        match answer.status {
            StatusCode::OK => served += 1,
            _ => {
                answer.says_why("evicted")?;
                evicted += 1;
            }
        }
    }
    same("devices that are in, and out", (served, evicted), (10, 10))?;
    Ok("ten are in, ten were told: evicted".to_owned())
}
