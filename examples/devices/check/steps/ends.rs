//! Sign-outs, and what they must not touch.

use reqwest::{Method, StatusCode};

use super::super::scenario::Scenario;
use super::super::step::StepResult;
use super::super::step_error::{StepError, same};
use super::super::stream::EventStream;

/// Requests that another site makes the browser send are rejected.
pub(super) async fn cross_site(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    let phone = scenario.device("phone")?;
    let id = phone.session_id(&copy).await?;
    let elsewhere = [("Sec-Fetch-AppState", "cross-site"), ("Origin", "https://elsewhere.example")];
    let requests = [
        (Method::POST, "/logout".to_owned()),
        (Method::POST, "/api/sessions/end-others".to_owned()),
        (Method::POST, "/".to_owned()),
        (Method::DELETE, format!("/api/sessions/{id}")),
    ];
    for (method, path) in requests {
        let reply = phone.send(method, format!("{copy}{path}"), &elsewhere).await?;
        reply.with_status(StatusCode::FORBIDDEN)?;
    }
    same("the phone's session", phone.session_id(&copy).await?, id)?;
    same("live sessions", scenario.sessions("alice").await?.len(), 2)?;
    Ok("403 four times, and both devices are still signed in".to_owned())
}

/// The laptop signs out; the phone stays signed in.
pub(super) async fn sign_out(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    let (phone, laptop) = (scenario.device("phone")?, scenario.device("laptop")?);
    let stays = phone.session_id(&copy).await?;
    let reply = laptop.send(Method::POST, format!("{copy}/logout"), &[]).await?;
    reply.with_status(StatusCode::NO_CONTENT)?;
    laptop.get(format!("{copy}/api/me")).await?.with_reason("no_session")?;
    same("the phone's session", phone.session_id(&copy).await?, stays)?;
    phone.call_tool(&copy).await?;
    same("live sessions", scenario.sessions("alice").await?.len(), 1)?;
    same("carol's live sessions", scenario.sessions("carol").await?.len(), 10)?;
    Ok("one is signed out, the other still calls the tool".to_owned())
}

/// The phone signs a new laptop out; it cannot end another user's session or an invalid id.
pub(super) async fn end_one(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    let laptop = scenario.sign_in("laptop", "alice").await?;
    let (phone, tablet) = (scenario.device("phone")?, scenario.device("tablet")?);
    let others = tablet.session_id(&copy).await?;
    for id in [others.as_str(), "01900000-0000-7000-8000-000000000000", "no-id", "%00", "%FF"] {
        let url = format!("{copy}/api/sessions/{id}");
        phone.send(Method::DELETE, url, &[]).await?.with_status(StatusCode::NOT_FOUND)?;
    }
    let url = format!("{copy}/api/sessions/{}", laptop.session_id(&copy).await?);
    phone.send(Method::DELETE, url, &[]).await?.with_status(StatusCode::NO_CONTENT)?;
    laptop.get(format!("{copy}/api/me")).await?.with_reason("revoked_by_user")?;
    same("the other user's session", tablet.session_id(&copy).await?, others)?;
    Ok("the laptop got: revoked_by_user; 404 for everything else".to_owned())
}

/// After all the steps, the other user's row is unchanged, and the device works.
pub(super) async fn another_user(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    scenario.device("tablet")?.call_tool(&copy).await?;
    let before =
        scenario.before.get("bob").ok_or_else(|| StepError::new("bob was not signed in"))?;
    let now = scenario.sessions("bob").await?;
    let now = now.first().ok_or_else(|| StepError::new("bob has no session"))?;
    same("the session", now.id, before.id)?;
    same("its creation", now.created_at, before.created_at)?;
    same("its revision", now.revision, before.revision)?;
    Ok("the session is the same, unchanged".to_owned())
}

/// The stream closes without a reason, because the session has not ended.
pub(super) async fn stop(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    let stream = EventStream::open(&scenario.device("phone")?, &copy).await?;
    let all_finished = scenario.take_app()?.shutdown().await;
    same("the reason in the stream", stream.end().await?, None)?;
    same("whether everything finished in time", all_finished, true)?;
    Ok("the stream closed, nothing was cut off".to_owned())
}
