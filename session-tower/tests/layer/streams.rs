//! The ended signal of a handler that streams.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use session_core::manager::EndedSignal;
use session_core::testing::sample;
use session_core::{EndReason, SessionId};
use session_tower::CurrentSession;
use tower::{Layer, service_fn};

use crate::site::{Body, Site, cookie, send, until};

/// Returns the signal that a handler gets for this cookie, and a task that waits for it.
async fn stream(site: &Site, ann: &str) -> (EndedSignal, tokio::task::JoinHandle<EndReason>) {
    let taken = Arc::new(Mutex::new(None));
    let service = site.layer().layer(service_fn({
        let taken = taken.clone();
        move |request: Request<Body>| {
            let current = request.extensions().get::<CurrentSession>().unwrap();
            *taken.lock().unwrap() = Some(current.ended());
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::default())))
        }
    }));
    send(&service, &[ann]).await;
    let signal: EndedSignal = taken.lock().unwrap().take().unwrap();
    let mut waiting = signal.clone();
    (signal, tokio::spawn(async move { waiting.wait().await }))
}

async fn settle() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

async fn signed_in(site: &Site) -> (SessionId, String) {
    let ann = site.sign_in("ann").await;
    (ann.session.id, cookie(&ann.secret))
}

#[tokio::test]
async fn the_signal_completes_on_a_local_end_and_never_on_a_renewal_or_rotation() {
    let site = Site::new().await;
    let (id, ann) = signed_in(&site).await;
    let (signal, stream) = stream(&site, &ann).await;
    let renewed =
        site.manager.access_token_after_rejection(&sample::user("ann"), id, "at-1").await.unwrap();
    assert_eq!(renewed.access_token(), "at-2");
    site.manager.rotate_secret(&sample::user("ann"), id).await.unwrap();
    settle().await;
    assert!(!stream.is_finished() && signal.reason().is_none());
    site.manager.end_one(&sample::user("ann"), id).await.unwrap();
    assert_eq!(stream.await.unwrap(), EndReason::RevokedByUser);
}

#[tokio::test]
async fn the_signal_completes_within_max_staleness_of_an_end_elsewhere() {
    let site = Site::new().await;
    let other = site.other_process().await;
    let (id, ann) = signed_in(&site).await;
    let (_signal, stream) = stream(&site, &ann).await;
    other.manager.sign_out(&sample::user("ann"), id).await.unwrap();
    settle().await;
    assert!(!stream.is_finished());
    site.clock.advance(site.manager.policy().max_staleness());
    until(|| stream.is_finished()).await;
    assert_eq!(stream.await.unwrap(), EndReason::SignedOut);
}

#[tokio::test]
async fn an_open_stream_is_not_activity_and_completes_at_the_idle_timeout() {
    let idle = Duration::from_secs(60);
    let site = Site::with_policy(|policy| policy.idle_timeout(idle)).await;
    let (_, ann) = signed_in(&site).await;
    let (_signal, stream) = stream(&site, &ann).await;
    for _ in 0..11 {
        site.advance(5);
        settle().await;
        assert!(!stream.is_finished());
    }
    for _ in 0..3 {
        site.advance(5);
        settle().await;
    }
    until(|| stream.is_finished()).await;
    assert_eq!(stream.await.unwrap(), EndReason::Idle);
}

#[tokio::test]
async fn the_signal_completes_at_once_if_the_session_has_already_ended() {
    let site = Site::new().await;
    let (id, ann) = signed_in(&site).await;
    let (signal, stream) = stream(&site, &ann).await;
    site.manager.sign_out(&sample::user("ann"), id).await.unwrap();
    assert_eq!(stream.await.unwrap(), EndReason::SignedOut);
    assert_eq!(signal.clone().wait().await, EndReason::SignedOut);
}
