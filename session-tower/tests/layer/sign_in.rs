//! Cookie updates: signing in and out (C1 to C7, F36, S2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use session_core::manager::SignIn;
use session_core::testing::sample;
use session_core::{EndReason, TokenResponse};
use session_tower::{CookieUpdate, CurrentSession, PresentedCookie, SessionCookie, SessionLayer};
use tower::{Layer, service_fn};

use crate::site::{Body, Site, SiteService, cookie, send, show_user};

/// Signs ann in at each request. The new session supersedes the one of the presented cookie.
fn login(site: Site, status: StatusCode) -> impl SiteService {
    login_with(site.layer(), site, status)
}

fn login_with(layer: SessionLayer, site: Site, status: StatusCode) -> impl SiteService {
    let site = Arc::new(site);
    layer.layer(service_fn(move |request: Request<Body>| {
        let site = site.clone();
        async move {
            let presented = PresentedCookie::of(request.extensions());
            let superseded = presented.iter().flat_map(PresentedCookie::digests);
            let sign_in = site.login("ann").supersedes(superseded);
            let signed_in = site.manager.sign_in(sign_in).await.unwrap();
            let mut response = Response::new(Full::<Bytes>::from("welcome"));
            *response.status_mut() = status;
            response.extensions_mut().insert(CookieUpdate::signed_in(&signed_in));
            Ok::<_, Infallible>(response)
        }
    }))
}

#[tokio::test]
async fn c1_c2_c3_c5_c7_signing_in_sets_the_whole_cookie() {
    let site = Site::new().await;
    let service = site.service();
    let answer = send(&login(site, StatusCode::OK), &[]).await;
    let pair = answer.new_cookie();
    let rest = answer.set_cookie[0].strip_prefix(&pair).unwrap();
    assert_eq!(rest, "; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2592000");
    assert!(pair.starts_with("__Host-session=") && pair.len() < 4096);
    assert_eq!(send(&service, &[&pair]).await.text, "ann");
}

#[tokio::test]
async fn s6_f32_the_cookie_is_opaque_and_as_short_whatever_the_session_holds() {
    let site = Site::new().await;
    let (user, token) = (format!("ann-{}", "n".repeat(100)), "t".repeat(20_000));
    let tokens = TokenResponse::bearer(&token).with_refresh_token(&token).with_id_token(&token);
    let sign_in = SignIn::new(&sample::user(&user), &sample::provider("okta"), tokens);
    let signed_in = site.manager.sign_in(sign_in).await.unwrap();
    let update = CookieUpdate::signed_in(&signed_in);
    let service = site.layer().layer(service_fn(move |_: Request<Body>| {
        let mut response = Response::new(Body::default());
        response.extensions_mut().insert(update.clone());
        std::future::ready(Ok::<_, Infallible>(response))
    }));
    let pair = send(&service, &[]).await.new_cookie();
    let value = pair.strip_prefix("__Host-session=").unwrap();
    assert_eq!(value, signed_in.secret.expose());
    assert_eq!(value.len(), 43);
    assert_eq!(send(&site.service(), &[&pair]).await.text, user);
}

#[tokio::test]
async fn c5_max_age_is_at_most_400_days_and_what_is_left_of_the_absolute_timeout() {
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    let site = Site::with_policy(|policy| policy.absolute_timeout(days(500))).await;
    let answer = send(&login(site, StatusCode::OK), &[]).await;
    assert!(answer.set_cookie[0].ends_with("Max-Age=34560000"), "{answer:?}");
    let site = Site::with_policy(|policy| policy.without_absolute_timeout()).await;
    let answer = send(&login(site, StatusCode::OK), &[]).await;
    assert!(answer.set_cookie[0].ends_with("Max-Age=34560000"), "{answer:?}");
    // After a rotation the cookie lasts for the rest of the absolute timeout.
    let site = Site::with_policy(|policy| policy.absolute_timeout(days(2))).await;
    let signed_in = site.sign_in("ann").await;
    site.clock.advance(days(1));
    let rotated =
        site.manager.rotate_secret(&signed_in.session.user, signed_in.session.id).await.unwrap();
    let update = CookieUpdate::rotated(&rotated);
    let service = site.layer().layer(service_fn(move |_: Request<Body>| {
        let mut response = Response::new(Body::default());
        response.extensions_mut().insert(update.clone());
        std::future::ready(Ok::<_, Infallible>(response))
    }));
    let answer = send(&service, &[]).await;
    assert!(answer.set_cookie[0].ends_with("Max-Age=86400"), "{answer:?}");
}

#[tokio::test]
async fn f36_a_new_cookie_reaches_the_client_on_error_responses_too() {
    let site = Site::new().await;
    let service = site.service();
    let answer = send(&login(site, StatusCode::INTERNAL_SERVER_ERROR), &[]).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(send(&service, &[&answer.new_cookie()]).await.text, "ann");
}

#[tokio::test]
async fn s2_a_new_sign_in_supersedes_and_prevails_over_clearing() {
    let site = Site::new().await;
    let (service, manager) = (site.service(), site.manager.clone());
    let login = login(site, StatusCode::OK);
    // An unknown cookie would be cleared; here the new one is set, and nothing else.
    let first = send(&login, &[&cookie(&sample::secret())]).await.new_cookie();
    let second = send(&login, &[&first]).await.new_cookie();
    assert_eq!(send(&service, &[&second]).await.text, "ann");
    assert_eq!(manager.list(&sample::user("ann"), None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_superseded_cookie_counts_as_none_and_is_cleared_only_a_minute_later() {
    let site = Site::new().await;
    let (service, required, clock) = (site.service(), site.require_session(), site.clock.clone());
    let login = login(site, StatusCode::OK);
    let old = send(&login, &[]).await.new_cookie();
    let new = send(&login, &[&old]).await.new_cookie();
    let answer = send(&service, &[&old]).await;
    assert_eq!((answer.text.as_str(), answer.keeps_cookie()), ("anonymous", true));
    let answer = send(&required, &[&old]).await;
    assert_eq!((answer.reason().as_str(), answer.keeps_cookie()), ("no_session", true));
    assert_eq!(send(&service, &[&old, &new]).await.text, "ann");
    clock.advance(Duration::from_secs(61));
    assert!(send(&service, &[&old]).await.clears_cookie());
}

#[tokio::test]
async fn the_late_response_to_a_superseded_cookie_does_not_clear_the_new_one() {
    let site = Site::new().await;
    let old = site.sign_in("ann").await;
    let arrived = session_core::testing::Gate::new();
    arrived.close();
    let slow = site.layer().layer(service_fn({
        let arrived = arrived.clone();
        move |request| {
            let arrived = arrived.clone();
            async move {
                arrived.pass().await;
                show_user(request).await
            }
        }
    }));
    let late = crate::site::spawn(&slow, &cookie(&old.secret));
    arrived.until_held(1).await;
    let sign_in = site.login("ann").supersedes(Some(old.secret.digest()));
    let new = site.manager.sign_in(sign_in).await.unwrap();
    arrived.open();
    assert!(late.await.unwrap().keeps_cookie());
    assert_eq!(send(&site.service(), &[&cookie(&new.secret)]).await.text, "ann");
}

#[tokio::test]
async fn signing_out_clears_the_cookie_and_ends_the_session_at_once() {
    let site = Site::new().await;
    let (ann, other) = (site.sign_in("ann").await, site.sign_in("ann").await);
    let manager = site.manager.clone();
    let logout = site.layer().layer(service_fn(move |request: Request<Body>| {
        let manager = manager.clone();
        async move {
            let current = request.extensions().get::<CurrentSession>().unwrap();
            assert!(manager.sign_out(current.user(), current.id()).await.unwrap());
            let mut response = Response::new(Body::default());
            response.extensions_mut().insert(CookieUpdate::signed_out());
            Ok::<_, Infallible>(response)
        }
    }));
    let service = site.service();
    let (ann, other) = (cookie(&ann.secret), cookie(&other.secret));
    assert_eq!(send(&service, &[&ann]).await.text, "ann");
    assert!(send(&logout, &[&ann]).await.clears_cookie());
    let reason = format!("ended: {}", EndReason::SignedOut);
    assert_eq!(send(&service, &[&ann]).await.text, reason);
    assert_eq!(send(&service, &[&other]).await.text, "ann");
}

#[tokio::test]
async fn a_handler_that_keeps_the_cookie_prevents_its_clearing() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    site.manager.rotate_secret(&ann.session.user, ann.session.id).await.unwrap();
    let in_progress = site.manager.rotate_secret(&ann.session.user, ann.session.id).await.unwrap();
    let update = CookieUpdate::rotated(&in_progress);
    let service = site.layer().layer(service_fn(move |_: Request<Body>| {
        let mut response = Response::new(Body::default());
        response.extensions_mut().insert(update.clone());
        std::future::ready(Ok::<_, Infallible>(response))
    }));
    assert!(send(&service, &[&cookie(&sample::secret())]).await.keeps_cookie());
}

#[tokio::test]
async fn of_two_layers_the_outer_one_leaves_what_the_inner_one_has_set() {
    let site = Site::new().await;
    let (outer, service) = (site.layer(), site.service());
    let other = SessionCookie::builder().name("other").build().unwrap();
    let other = site.layer().with_cookie(other);
    let login = login(site, StatusCode::OK);
    // Both layers would clear the unknown cookie; the inner one sets a new one.
    let foreign = cookie(&sample::secret());
    let new = send(&outer.layer(login.clone()), &[&foreign]).await.new_cookie();
    assert_eq!(send(&service, &[&new]).await.text, "ann");
    // A layer with another cookie still clears that one.
    let both = format!("{foreign}; other={}", sample::secret().expose());
    let answer = send(&other.layer(login), &[&both]).await;
    assert_eq!(answer.set_cookie.len(), 2);
    assert!(answer.set_cookie[1].starts_with("other=;"));
}

#[tokio::test]
async fn a_removal_has_the_attributes_of_the_cookie() {
    let site = Site::new().await;
    let insecure = SessionCookie::builder().dangerous_insecure().path("/app").build().unwrap();
    let service = site.layer().with_cookie(insecure).layer(service_fn(show_user));
    let unknown = format!("session={}", sample::secret().expose());
    let answer = send(&service, &[&unknown]).await;
    assert!(answer.clears_cookie());
    assert!(answer.set_cookie[0].starts_with("session=; HttpOnly; SameSite=Lax; Path=/app; "));
    assert!(!answer.set_cookie[0].contains("Secure"));
}

#[tokio::test]
async fn an_evicted_cookie_is_not_cleared_for_a_minute_after_its_browser_signed_in_anew() {
    let site = Site::with_policy(|policy| policy.max_sessions(1)).await;
    let old = cookie(&site.sign_in("ann").await.secret);
    // Another device evicts it; then the same browser signs in with the old cookie.
    site.sign_in("ann").await;
    let (layer, clock) = (site.layer(), site.clock.clone());
    let login = login_with(layer.clone(), site, StatusCode::OK);
    let required = layer.require_session().layer(service_fn(show_user));
    let new = send(&login, &[&old]).await.new_cookie();
    // A request that was sent before is answered now.
    let answer = send(&required, &[&old]).await;
    assert_eq!((answer.reason().as_str(), answer.keeps_cookie()), ("evicted", true));
    assert_eq!(send(&required, &[&new]).await.text, "ann");
    clock.advance(Duration::from_secs(61));
    assert!(send(&required, &[&old]).await.clears_cookie());
}

#[tokio::test]
async fn c6_a_sign_in_supersedes_every_live_session_that_the_browser_presents() {
    let site = Site::with_policy(|policy| policy.max_sessions(3)).await;
    let insecure = SessionCookie::builder().dangerous_insecure().build().unwrap();
    let layer = site.layer().with_cookie(insecure);
    let phone = site.sign_in("ann").await;
    let planted = [site.sign_in("ann").await, site.sign_in("ann").await];
    let pair =
        |secret: &session_core::session::SessionSecret| format!("session={}", secret.expose());
    let [one, two] = planted.each_ref().map(|signed_in| pair(&signed_in.secret));
    let service = layer.clone().layer(tower::service_fn(show_user));
    assert_eq!(send(&service, &[&one, &two]).await.text, "anonymous", "two live ones are none");
    let manager = site.manager.clone();
    let new = send(&login_with(layer, site, StatusCode::OK), &[&one, &two]).await.new_cookie();
    // The browser overwrites the cookie that this site set; the other one stays.
    for other in [&one, &two] {
        assert_eq!(send(&service, &[other, &new]).await.text, "ann");
    }
    let live = manager.list(&phone.session.user, None).await.unwrap();
    let live: Vec<_> = live.iter().map(|listed| listed.session.id).collect();
    assert!(live.len() == 2 && live.contains(&phone.session.id), "the phone was not evicted");
}
