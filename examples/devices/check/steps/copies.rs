//! Two copies on one database.

use futures_util::future::try_join_all;
use reqwest::{Method, StatusCode};

use super::super::browser::Browser;
use super::super::scenario::{MAX_SESSIONS, MAX_STALENESS, Scenario};
use super::super::step::StepResult;
use super::super::step_error::{StepError, same};
use super::super::stream::EventStream;
use crate::app::App;
use crate::settings::{ProviderChoice, Settings};

/// A second copy uses the provider of the first; both accept each other's cookies.
pub(super) async fn second_copy(scenario: &mut Scenario) -> StepResult {
    let issuer =
        scenario.app()?.issuer().parse().map_err(|_| StepError::new("the issuer is not a URL"))?;
    let provider = ProviderChoice::External {
        issuer,
        client_id: "devices".to_owned(),
        client_secret: Some("devices-secret".into()),
    };
    let second = App::start(Settings { provider, ..scenario.settings.clone() }).await?;
    scenario.join(second);
    let (first, second) = (scenario.copy()?, scenario.second_copy()?);
    let phone = scenario.device("phone")?;
    same("the phone's session", phone.session_id(&second).await?, phone.session_id(&first).await?)?;
    phone.call_tool(&second).await?;
    let desk = Browser::signed_in(&second, &scenario.user("alice")).await?;
    same("the desk's session", desk.session_id(&first).await?, desk.session_id(&second).await?)?;
    desk.call_tool(&first).await?;
    let reply = desk.send(Method::POST, format!("{first}/logout"), &[]).await?;
    reply.with_status(StatusCode::NO_CONTENT)?;
    Ok("both copies accept a sign-in at either".to_owned())
}

/// A session ended at the first copy ends at the second, for requests and for an open stream.
pub(super) async fn ends_elsewhere(scenario: &mut Scenario) -> StepResult {
    let (first, second) = (scenario.copy()?, scenario.second_copy()?);
    let phone = scenario.device("phone")?;
    let desk = Browser::signed_in(&second, &scenario.user("alice")).await?;
    let stream = EventStream::open(&desk, &second).await?;
    let id = desk.session_id(&second).await?;
    let url = format!("{first}/api/sessions/{id}");
    phone.send(Method::DELETE, url, &[]).await?.with_status(StatusCode::NO_CONTENT)?;
    let ended_at = scenario.manager()?.now();
    scenario.until(ended_at + MAX_STALENESS).await?;
    desk.get(format!("{second}/api/me")).await?.with_reason("revoked_by_user")?;
    same("why the stream ended", stream.end().await?.as_deref(), Some("revoked_by_user"))?;
    Ok(format!("401 at the other copy after {} ms", MAX_STALENESS.as_millis()))
}

/// However the sign-ins interleave, ten devices are signed in afterwards.
pub(super) async fn cap_over_both(scenario: &mut Scenario) -> StepResult {
    let (first, second, user) = (scenario.copy()?, scenario.second_copy()?, scenario.user("dave"));
    let sign_ins = (0..20).map(async |number| {
        let copy = if number % 2 == 0 { &first } else { &second };
        let device = Browser::new()?;
        let is_evicted = device.is_evicted_at_once(copy, &user).await?;
        Ok::<_, StepError>((device, is_evicted))
    });
    let devices = try_join_all(sign_ins).await?;
    let live = scenario.sessions("dave").await?.len();
    same("live sessions", u32::try_from(live).ok(), Some(MAX_SESSIONS))?;
    let (mut served, mut evicted) = (0, 0);
    scenario.until(scenario.manager()?.now() + MAX_STALENESS).await?;
    for (device, is_evicted) in devices {
        let reply = device.get(format!("{first}/api/me")).await?;
        match reply.status {
            StatusCode::OK => served += 1,
            // It is told once.
            _ if is_evicted => {
                reply.with_reason("no_session")?;
                evicted += 1;
            }
            _ => {
                reply.with_reason("evicted")?;
                evicted += 1;
            }
        }
    }
    same("devices that are signed in, and out", (served, evicted), (10, 10))?;
    Ok("ten are signed in, ten got: evicted".to_owned())
}
