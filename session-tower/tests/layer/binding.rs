//! Sessions bound to a user whom the application already knows (S4, store law 6).

use std::convert::Infallible;

use http::{Extensions, HeaderMap, Response};
use session_core::UserId;
use session_core::testing::{Method, sample};
use session_tower::{PresentedCookie, SessionCookie, SessionLayer};
use tower::{Layer, ServiceExt, service_fn};

use crate::site::{Answer, Body, Site, SiteService, cookie, request, send, show_user};

/// Binds the session to the user id in the extensions, if there is one.
fn bound(layer: SessionLayer) -> impl SiteService {
    let known = |_: &HeaderMap, extensions: &Extensions| extensions.get::<UserId>().cloned();
    layer.with_user(known).layer(service_fn(show_user))
}

async fn send_as(service: &impl SiteService, user: &str, cookies: &[&str]) -> Answer {
    let mut request = request(cookies);
    request.extensions_mut().insert(sample::user(user));
    Answer::of(service.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn s4_another_users_session_is_answered_like_none() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let (optional, required) = (bound(site.layer()), bound(site.layer().require_session()));
    let foreign = cookie(&sample::secret());
    // First without the session in the cache, then with it.
    for _ in 0..2 {
        assert_eq!(
            send_as(&optional, "bob", &[&ann]).await,
            send_as(&optional, "bob", &[&foreign]).await
        );
        assert_eq!(
            send_as(&required, "bob", &[&ann]).await,
            send_as(&required, "bob", &[&foreign]).await
        );
        assert_eq!(send_as(&required, "bob", &[&ann]).await.reason(), "no_session");
        assert_eq!(send_as(&optional, "ann", &[&ann]).await.text, "ann");
        assert_eq!(send_as(&required, "ann", &[&ann]).await.text, "ann");
    }
}

#[tokio::test]
async fn s4_without_a_known_user_there_is_no_session_and_no_question() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let (optional, required) = (bound(site.layer()), bound(site.layer().require_session()));
    site.store.reset_calls();
    // First without the session in the cache, then with it.
    for calls in 0..2 {
        let (open, closed) = (send(&optional, &[&ann]).await, send(&required, &[&ann]).await);
        assert_eq!((&*open.text, &*closed.reason()), ("anonymous", "no_session"));
        assert!(open.keeps_cookie() && closed.keeps_cookie());
        assert_eq!(site.store.calls(Method::FindByDigest), calls);
        assert_eq!(send_as(&optional, "ann", &[&ann]).await.text, "ann");
    }
}

#[tokio::test]
async fn s2_s4_the_next_sign_in_supersedes_also_what_is_another_users() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await.secret;
    let presented = |_: &HeaderMap, _: &Extensions| None;
    let service = service_fn(|request: http::Request<Body>| async move {
        let presented = PresentedCookie::of(request.extensions()).unwrap();
        let digests: Vec<_> = presented.digests().collect();
        Ok::<_, Infallible>(Response::new(Body::from(format!("{digests:?}"))))
    });
    let service = site.layer().with_user(presented).layer(service);
    let expected = format!("{:?}", [ann.digest()]);
    assert_eq!(send(&service, &[&cookie(&ann)]).await.text, expected);
}

#[tokio::test]
async fn s4_a_user_may_be_known_by_a_header() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let by_proxy = |headers: &HeaderMap, _: &Extensions| {
        headers.get("remote-user").and_then(|name| UserId::new(name.to_str().ok()?).ok())
    };
    let service = site.layer().with_user(by_proxy).layer(service_fn(show_user));
    for (user, shown) in [("ann", "ann"), ("bob", "anonymous")] {
        let mut request = request(&[&ann]);
        request.headers_mut().insert("remote-user", user.parse().unwrap());
        let answer = Answer::of(service.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(answer.text, shown);
    }
}

#[tokio::test]
async fn s4_of_two_live_sessions_the_known_users_is_used() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let bob = cookie(&site.sign_in("bob").await.secret);
    let service = bound(site.layer());
    assert_eq!(send_as(&service, "ann", &[&ann, &bob]).await.text, "ann");
    assert_eq!(send_as(&service, "bob", &[&ann, &bob]).await.text, "bob");
    assert_eq!(send_as(&service, "eve", &[&ann, &bob]).await.text, "anonymous");
}

#[tokio::test]
async fn s4_a_known_users_session_is_served_from_the_cache() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let service = bound(site.layer());
    site.store.reset_calls();
    for _ in 0..3 {
        assert_eq!(send_as(&service, "ann", &[&ann]).await.text, "ann");
        assert_eq!(send_as(&service, "bob", &[&ann]).await.text, "anonymous");
    }
    assert_eq!(site.store.calls(Method::FindByDigest), 1);
}

#[tokio::test]
async fn s4_another_users_ended_session_is_answered_like_none() {
    let site = Site::new().await;
    let ann = site.sign_in("ann").await;
    site.manager.sign_out(&ann.session.user, ann.session.id).await.unwrap();
    let service = bound(site.layer().require_session());
    assert_eq!(send_as(&service, "bob", &[&cookie(&ann.secret)]).await.reason(), "no_session");
    assert_eq!(send_as(&service, "ann", &[&cookie(&ann.secret)]).await.reason(), "signed_out");
}

#[tokio::test]
async fn s4_what_a_layer_outside_found_is_not_what_this_one_found() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    // The outer layer knows no user and finds ann's session; the inner one is bound to bob.
    let service = site.layer().layer(bound(site.layer()));
    assert_eq!(send_as(&service, "bob", &[&ann]).await.text, "anonymous");
    assert_eq!(send_as(&service, "bob", &[&ann]).await.text, "anonymous", "from the cache");
    assert_eq!(send_as(&service, "ann", &[&ann]).await.text, "ann");

    // A request without the inner layer's cookie has no session there.
    let other = SessionCookie::builder().name("__Host-admin").build().unwrap();
    let service = site.layer().layer(site.layer().with_cookie(other).layer(service_fn(show_user)));
    assert_eq!(send(&service, &[&ann]).await.text, "anonymous");
}

#[tokio::test]
async fn s4_a_live_sessions_cookie_is_not_cleared_for_another_user() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let (optional, required) = (bound(site.layer()), bound(site.layer().require_session()));
    for cookie in [&ann, &cookie(&sample::secret())] {
        assert!(send_as(&optional, "bob", &[cookie]).await.keeps_cookie());
        assert!(send_as(&required, "bob", &[cookie]).await.keeps_cookie());
    }
    assert_eq!(send(&site.service(), &[&ann]).await.text, "ann");
}
