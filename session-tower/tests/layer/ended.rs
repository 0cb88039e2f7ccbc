//! Ended sessions, and which responses tell the reason (F13, F14, F22, F37, law 7).

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use session_core::EndReason;
use session_core::testing::{Gate, sample};
use session_tower::CurrentSession;
use tower::{Layer, service_fn};

use crate::site::{Body, Site, cookie, send, spawn};

#[tokio::test]
async fn f22_the_evicted_device_is_told_why_and_only_that_answer_clears_its_cookie() {
    let site = Site::with_policy(|policy| policy.max_sessions(1)).await;
    let evicted = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    assert_eq!(send(&service, &[&evicted]).await.text, "ann");
    let newer = cookie(&site.sign_in("ann").await.secret);
    for _ in 0..2 {
        let answer = send(&service, &[&evicted]).await;
        assert_eq!(answer.text, "ended: evicted");
        assert!(answer.keeps_cookie());
    }
    let answer = send(&site.require_session(), &[&evicted]).await;
    assert_eq!(answer.reason(), "evicted");
    assert!(answer.clears_cookie());
    assert_eq!(send(&service, &[&newer]).await.text, "ann");
}

#[tokio::test]
async fn f14_an_end_on_this_process_takes_effect_at_once() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    let service = site.service();
    assert_eq!(send(&service, &[&cookie(&ann.secret)]).await.text, "ann");
    site.manager.end_one(&sample::user("ann"), ann.session.id).await.unwrap();
    assert_eq!(send(&service, &[&cookie(&ann.secret)]).await.text, "ended: revoked_by_user");
}

#[tokio::test]
async fn l1_an_end_on_another_process_takes_effect_within_max_staleness() {
    let site = Site::new().await;
    let other = site.other_process().await;
    let ann = site.sign_in("ann").await;
    let service = other.service();
    assert_eq!(send(&service, &[&cookie(&ann.secret)]).await.text, "ann");
    site.manager.sign_out(&ann.session.user, ann.session.id).await.unwrap();
    // Within the bound the cache still answers.
    site.clock.advance(site.manager.policy().max_staleness() - Duration::from_millis(1));
    assert_eq!(send(&service, &[&cookie(&ann.secret)]).await.text, "ann");
    site.clock.advance(Duration::from_millis(1));
    assert_eq!(send(&service, &[&cookie(&ann.secret)]).await.text, "ended: signed_out");
}

#[tokio::test]
async fn t1_idle_and_absolute_timeouts_hold_for_cached_sessions() {
    let hour = Duration::from_secs(3600);
    let policy = |policy: session_core::policy::PolicyBuilder| {
        policy.idle_timeout(hour).absolute_timeout(hour * 3 / 2).max_staleness(hour * 24)
    };
    let site = Site::with_policy(policy).await;
    let (idle, active) = (site.sign_in("idle").await, site.sign_in("active").await);
    let service = site.service();
    let (idle, active) = (cookie(&idle.secret), cookie(&active.secret));
    for cookie in [&idle, &active] {
        assert_eq!(send(&service, &[cookie]).await.status, 200);
    }
    site.clock.advance(hour / 2);
    assert_eq!(send(&service, &[&active]).await.text, "active");
    site.clock.advance(hour / 2);
    assert_eq!(send(&service, &[&active]).await.text, "active");
    assert_eq!(send(&service, &[&idle]).await.text, "ended: idle");
    site.clock.advance(hour / 2);
    assert_eq!(send(&service, &[&active]).await.text, "ended: absolute");
}

#[tokio::test]
async fn f13_a_session_ended_while_a_request_that_writes_it_is_in_flight_stays_ended() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    let (gate, manager) = (Gate::new(), site.manager.clone());
    gate.close();
    let writing = site.layer().layer(service_fn({
        let gate = gate.clone();
        move |request: Request<Body>| {
            let (gate, manager) = (gate.clone(), manager.clone());
            async move {
                let current = request.extensions().get::<CurrentSession>().unwrap().clone();
                gate.pass().await;
                // Neither the new tokens nor the new secret may be written.
                let rejected = current.access_token().unwrap();
                let tokens = manager
                    .access_token_after_rejection(current.user(), current.id(), rejected)
                    .await;
                let rotated = manager.rotate_secret(current.user(), current.id()).await;
                assert!(tokens.is_err());
                assert_eq!(rotated.unwrap_err().end_reason(), Some(EndReason::SignedOut));
                Ok::<_, Infallible>(Response::new(Body::default()))
            }
        }
    }));
    let in_flight = spawn(&writing, &cookie(&ann.secret));
    gate.until_held(1).await;
    site.manager.sign_out(&ann.session.user, ann.session.id).await.unwrap();
    gate.open();
    assert!(in_flight.await.unwrap().keeps_cookie());
    assert_eq!(send(&site.service(), &[&cookie(&ann.secret)]).await.text, "ended: signed_out");
    assert!(site.manager.list(&sample::user("ann"), None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_purged_session_is_unknown_and_its_cookie_is_cleared() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    site.manager.sign_out(&ann.session.user, ann.session.id).await.unwrap();
    site.clock.advance(site.manager.policy().retention() + Duration::from_secs(1));
    site.manager.purge().await.unwrap();
    let answer = send(&site.service(), &[&cookie(&ann.secret)]).await;
    assert_eq!(answer.text, "anonymous");
    assert!(answer.clears_cookie());
}
