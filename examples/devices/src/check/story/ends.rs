//! Ends, and what they leave alone.

use reqwest::{Method, StatusCode};

use super::super::problem::{Problem, same};
use super::super::step::Outcome;
use super::super::stream::EventStream;
use super::super::world::World;

/// A page elsewhere makes the browser send its cookie: nothing happens.
pub(super) async fn cross_site(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    let phone = world.device("phone")?;
    let id = phone.session_id(&copy).await?;
    let elsewhere = [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://elsewhere.example")];
    let requests = [
        (Method::POST, "/logout".to_owned()),
        (Method::POST, "/api/sessions/end-others".to_owned()),
        (Method::POST, "/sessions/end-others".to_owned()),
        (Method::DELETE, format!("/api/sessions/{id}")),
        (Method::POST, format!("/sessions/{id}/end")),
    ];
    for (method, path) in requests {
        let answer = phone.send(method, format!("{copy}{path}"), &elsewhere).await?;
        answer.with_status(StatusCode::FORBIDDEN)?;
    }
    same("the phone's session", phone.session_id(&copy).await?, id)?;
    same("live sessions", world.sessions("alice").await?.len(), 2)?;
    Ok("403 five times, and both devices are signed in".to_owned())
}

/// The laptop signs out; the phone goes on.
pub(super) async fn sign_out(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    let (phone, laptop) = (world.device("phone")?, world.device("laptop")?);
    let stays = phone.session_id(&copy).await?;
    let answer = laptop.send(Method::POST, format!("{copy}/logout"), &[]).await?;
    answer.with_status(StatusCode::NO_CONTENT)?;
    laptop.get(format!("{copy}/api/me")).await?.says_why("no_session")?;
    same("the phone's session", phone.session_id(&copy).await?, stays)?;
    phone.call_tool(&copy).await?;
    same("live sessions", world.sessions("alice").await?.len(), 1)?;
    same("carol's live sessions", world.sessions("carol").await?.len(), 10)?;
    Ok("one is out, the other still calls the tool".to_owned())
}

/// The phone ends a new laptop; it cannot end another user's, nor what is none.
pub(super) async fn end_one(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    let laptop = world.sign_in("laptop", "alice").await?;
    let (phone, tablet) = (world.device("phone")?, world.device("tablet")?);
    let strangers = tablet.session_id(&copy).await?;
    for id in [strangers.as_str(), "01900000-0000-7000-8000-000000000000", "no-id", "%00", "%FF"] {
        let url = format!("{copy}/api/sessions/{id}");
        phone.send(Method::DELETE, url, &[]).await?.with_status(StatusCode::NOT_FOUND)?;
    }
    let url = format!("{copy}/api/sessions/{}", laptop.session_id(&copy).await?);
    phone.send(Method::DELETE, url, &[]).await?.with_status(StatusCode::NO_CONTENT)?;
    laptop.get(format!("{copy}/api/me")).await?.says_why("revoked_by_user")?;
    same("the stranger's session", tablet.session_id(&copy).await?, strangers)?;
    Ok("the laptop was told: revoked_by_user; 404 for everything else".to_owned())
}

/// After all of this, the other user's row is as it was, and his device works.
pub(super) async fn another_user(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    world.device("tablet")?.call_tool(&copy).await?;
    let before = world.before.get("bob").ok_or_else(|| Problem::new("bob was not there"))?;
    let now = world.sessions("bob").await?;
    let now = now.first().ok_or_else(|| Problem::new("bob has no session"))?;
    same("the session", now.id, before.id)?;
    same("its creation", now.created_at, before.created_at)?;
    same("its revision", now.revision, before.revision)?;
    Ok("his session is the one that he began with, unchanged".to_owned())
}

/// The stream ends without a reason, for the session is not over.
pub(super) async fn stop(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    let stream = EventStream::open(&world.device("phone")?, &copy).await?;
    let all_finished = world.take_app()?.shutdown().await;
    same("what the stream said at its end", stream.end().await?, None)?;
    same("whether everything finished in time", all_finished, true)?;
    Ok("the stream ended, nothing was cut off".to_owned())
}
