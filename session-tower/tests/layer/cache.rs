//! The cache: what it serves, and what it must not keep (F15, F16).

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use session_core::manager::Rotation;
use session_core::testing::{Fault, Method, sample};
use session_tower::{CurrentSession, SessionLayer};
use tower::{Layer, ServiceExt, service_fn};

use crate::site::{Body, Site, SiteService, cookie, request, send, spawn, until};

/// Answers with the session's access token.
fn token(layer: SessionLayer) -> impl SiteService {
    layer.layer(service_fn(|request: Request<Body>| async move {
        let current = request.extensions().get::<CurrentSession>().unwrap();
        let token = current.access_token().unwrap().to_owned();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(token)))
    }))
}

#[tokio::test]
async fn a_cached_session_is_served_without_a_query() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    site.store.reset_calls();
    for _ in 0..100 {
        assert_eq!(send(&service, &[&ann]).await.text, "ann");
    }
    assert_eq!(site.store.total_calls(), 1);
}

#[tokio::test]
async fn all_services_of_a_layer_and_its_clones_share_one_cache() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let layer = site.layer();
    let [one, other] = [layer.clone().require_session(), layer]
        .map(|layer| layer.layer(service_fn(crate::site::show_user)));
    site.store.reset_calls();
    assert_eq!(send(&one, &[&ann]).await.text, "ann");
    assert_eq!(send(&other, &[&ann]).await.text, "ann");
    assert_eq!(site.store.total_calls(), 1);
}

#[tokio::test]
async fn the_cache_is_bounded_by_memory() {
    let site = Site::with_policy(|policy| policy.unlimited()).await;
    let layer = site.layer().with_max_cache_bytes(16 * 1024);
    let service = layer.layer(service_fn(crate::site::show_user));
    for _ in 0..200 {
        let ann = cookie(&site.sign_in("ann").await.secret);
        assert_eq!(send(&service, &[&ann]).await.text, "ann");
    }
    let shown = format!("{layer:?}");
    let entries = shown.split("entries: ").nth(1).unwrap();
    let entries: String = entries.chars().take_while(char::is_ascii_digit).collect();
    // A dozen fit. moka evicts in batches, so the bound is not exact.
    assert!(entries.parse::<u64>().unwrap() < 150, "{shown}");
}

#[tokio::test]
async fn fifty_requests_at_staleness_make_one_query() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    assert_eq!(send(&service, &[&ann]).await.text, "ann");
    site.advance(6);
    site.store.reset_calls();
    site.store.set_next(Method::FindByDigest, Fault::HangBefore);
    let requests: Vec<_> = (0..50).map(|_| spawn(&service, &ann)).collect();
    site.store.until_hanging(Method::FindByDigest, 1).await;
    site.store.release(Method::FindByDigest);
    for request in requests {
        assert_eq!(request.await.unwrap().text, "ann");
    }
    assert_eq!(site.store.calls(Method::FindByDigest), 1);
}

#[tokio::test]
async fn a_reading_goes_on_without_the_request_that_began_it() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    site.store.reset_calls();
    site.store.set_next(Method::FindByDigest, Fault::HangBefore);
    let first = spawn(&service, &ann);
    site.store.until_hanging(Method::FindByDigest, 1).await;
    let second = spawn(&service, &ann);
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    site.store.release(Method::FindByDigest);
    assert_eq!(second.await.unwrap().text, "ann");
    assert_eq!(site.store.calls(Method::FindByDigest), 1);
}

#[tokio::test]
async fn fifty_requests_that_wait_for_a_store_that_is_away_wait_once() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    site.store.reset_calls();
    site.store.set_next(Method::FindByDigest, Fault::HangBefore);
    let requests: Vec<_> = (0..50).map(|_| spawn(&service, &ann)).collect();
    site.store.until_hanging(Method::FindByDigest, 1).await;
    site.clock.advance(site.manager.policy().store_timeout());
    for request in requests {
        assert_eq!(request.await.unwrap().status, 503);
    }
    assert_eq!(site.store.calls(Method::FindByDigest), 1);
    assert_eq!(send(&service, &[&ann]).await.text, "ann", "and the next one asks again");
}

#[tokio::test]
async fn f15_a_request_after_an_end_does_not_join_a_reading_from_before_it() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    let service = site.service();
    site.store.set_next(Method::FindByDigest, Fault::HangAfter);
    let before = spawn(&service, &cookie(&ann.secret));
    site.store.until_hanging(Method::FindByDigest, 1).await;
    assert!(site.manager.sign_out(&ann.session.user, ann.session.id).await.unwrap());
    assert_eq!(send(&service, &[&cookie(&ann.secret)]).await.text, "ended: signed_out");
    site.store.release(Method::FindByDigest);
    assert_eq!(before.await.unwrap().text, "ended: signed_out");
}

#[tokio::test]
async fn f15_an_end_during_a_cache_fill_is_not_undone() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    let service = site.service();
    site.store.set_next(Method::FindByDigest, Fault::HangAfter);
    let reading = spawn(&service, &cookie(&ann.secret));
    site.store.until_hanging(Method::FindByDigest, 1).await;
    // The row was live when it was read, and ends before the answer arrives.
    assert!(site.manager.sign_out(&ann.session.user, ann.session.id).await.unwrap());
    site.store.release(Method::FindByDigest);
    assert_eq!(reading.await.unwrap().text, "ended: signed_out");
    assert_eq!(send(&service, &[&cookie(&ann.secret)]).await.text, "ended: signed_out");
}

#[tokio::test]
async fn f15_a_fill_that_a_renewal_overtook_is_dropped() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    let (service, cookie) = (token(site.layer()), cookie(&ann.secret));
    site.store.set_next(Method::FindByDigest, Fault::HangAfter);
    let reading = spawn(&service, &cookie);
    site.store.until_hanging(Method::FindByDigest, 1).await;
    let renewed = site
        .manager
        .access_token_after_rejection(&ann.session.user, ann.session.id, "at-1")
        .await
        .unwrap();
    assert_eq!(renewed.access_token(), "at-2");
    site.store.release(Method::FindByDigest);
    assert_eq!(reading.await.unwrap().text, "at-2");
    assert_eq!(send(&service, &[&cookie]).await.text, "at-2");
}

#[tokio::test]
async fn f15_a_fill_that_is_older_than_the_entry_is_dropped() {
    let site = Site::new().await;
    let other = site.other_process().await;
    let ann = site.sign_in("ann").await;
    let cookie = cookie(&ann.secret);
    // A layer that knows the user does not share the reading of one that does not.
    let layer = site.layer();
    let bound = token(layer.clone().with_user(|_: &_, _: &_| Some(sample::user("ann"))));
    let service = token(layer);
    site.store.set_next(Method::FindByDigest, Fault::HangAfter);
    let reading = spawn(&bound, &cookie);
    site.store.until_hanging(Method::FindByDigest, 1).await;
    // Another process renews; this one learns of it only by reading the row.
    let renewed =
        other.manager.access_token_after_rejection(&ann.session.user, ann.session.id, "at-1").await;
    assert_eq!(renewed.unwrap().access_token(), "at-2");
    assert_eq!(send(&service, &[&cookie]).await.text, "at-2");
    site.store.release(Method::FindByDigest);
    assert_eq!(reading.await.unwrap().text, "at-2");
    assert_eq!(send(&service, &[&cookie]).await.text, "at-2");
}

#[tokio::test]
async fn f15_a_fill_that_a_rotation_overtook_is_dropped() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    let service = site.service();
    site.store.set_next(Method::FindByDigest, Fault::HangAfter);
    let reading = spawn(&service, &cookie(&ann.secret));
    site.store.until_hanging(Method::FindByDigest, 1).await;
    let Rotation::Rotated { secret, .. } =
        site.manager.rotate_secret(&ann.session.user, ann.session.id).await.unwrap()
    else {
        panic!("no other rotation is in progress");
    };
    site.store.release(Method::FindByDigest);
    assert_eq!(reading.await.unwrap().text, "ann");
    assert_eq!(send(&service, &[&cookie(&secret)]).await.text, "ann");
    until(|| site.store.calls(Method::ConfirmRotation) == 1).await;
    // The old secret is accepted for 30 s, also where an entry was read before the rotation.
    site.advance(31);
    assert_eq!(send(&service, &[&cookie(&ann.secret)]).await.text, "anonymous");
}

#[tokio::test]
async fn f15_a_row_that_changes_during_every_read_is_answered_503() {
    let hour = Duration::from_secs(3600);
    let site = Site::with_policy(|policy| policy.store_timeout(hour).lease_term(hour * 8)).await;
    let ann = site.sign_in("ann").await;
    let service = site.service();
    site.store.set(Method::FindByDigest, Fault::HangAfter);
    let mut reading = spawn(&service, &cookie(&ann.secret));
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut reading => break answer.unwrap(),
            () = site.store.until_hanging(Method::FindByDigest, 1) => {}
        }
        // Each renewal raises the revision, and so overtakes the read.
        site.clock.advance(Duration::from_secs(11));
        let token = site.manager.access_token(&ann.session.user, ann.session.id).await.unwrap();
        let token = token.access_token().to_owned();
        let renewed = site
            .manager
            .access_token_after_rejection(&ann.session.user, ann.session.id, &token)
            .await;
        assert_ne!(renewed.unwrap().access_token(), token);
        site.store.release(Method::FindByDigest);
    };
    assert_eq!(answer.status, 503);
    assert!(answer.keeps_cookie());
    let reads = site.store.calls(Method::FindByDigest);
    assert!((2..=8).contains(&reads), "{reads}");
    site.store.clear(Method::FindByDigest);
    assert_eq!(send(&service, &[&cookie(&ann.secret)]).await.text, "ann");
}

#[tokio::test]
async fn a_client_that_disconnects_during_a_read_leaves_nothing_behind() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    let service = site.service();
    site.store.set_next(Method::FindByDigest, Fault::HangBefore);
    let reading = spawn(&service, &cookie(&ann.secret));
    site.store.until_hanging(Method::FindByDigest, 1).await;
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    let response = service.oneshot(request(&[&cookie(&ann.secret)])).await.unwrap();
    assert_eq!(crate::site::Answer::of(response).await.text, "ann");
}

#[tokio::test]
async fn with_a_staleness_of_zero_every_request_reads_the_row() {
    let site = Site::with_policy(|policy| policy.max_staleness(Duration::ZERO)).await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = site.service();
    site.store.reset_calls();
    for reads in 1..=3 {
        assert_eq!(send(&service, &[&ann]).await.text, "ann");
        assert_eq!(site.store.calls(Method::FindByDigest), reads);
        site.clock.advance(Duration::from_millis(1));
    }
}
