//! Sign-in of an application that knows its users already, here by a header of a proxy.

use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use session_core::UserId;

use super::full_cap::choice_of;
use super::{Browser, OnlyAnn, Site, is_refused, location};

fn by_proxy(headers: &HeaderMap, _: &Extensions) -> Option<UserId> {
    UserId::new(headers.get("remote-user")?.to_str().ok()?).ok()
}

/// A browser behind a proxy that knows this user.
fn browser_of(site: &Site, user: &'static str) -> Browser {
    let headers =
        HeaderMap::from_iter([("remote-user".parse().unwrap(), HeaderValue::from_static(user))]);
    let http = reqwest::Client::builder().cookie_store(true).redirect(Policy::none());
    let http = http.default_headers(headers).no_proxy().build().unwrap();
    Browser { http, address: site.address.clone() }
}

#[tokio::test]
async fn s4_the_session_is_the_known_users_and_goes_on_after_a_step_up() {
    let site = Site::with(|sign_in| sign_in.known_user(by_proxy)).await;
    let browser = browser_of(&site, "u-1");
    browser.signs_in("/login?login_hint=ann").await;
    assert_eq!(browser.user().await.as_deref(), Some("u-1"));
    let user = UserId::new("u-1").unwrap();
    let before = site.manager.list(&user, None).await.unwrap();
    browser.signs_in("/login?login_hint=ann&max_age=60").await;
    let after = site.manager.list(&user, None).await.unwrap();
    assert_eq!((after.len(), after[0].session.id), (1, before[0].session.id));
    assert_eq!(browser.user().await.as_deref(), Some("u-1"));
}

#[tokio::test]
async fn s4_the_account_must_be_the_known_users_where_both_are_named() {
    let site = Site::with(|sign_in| sign_in.users(OnlyAnn).known_user(by_proxy)).await;
    let (ann, eve) = (browser_of(&site, "staff-1"), browser_of(&site, "staff-2"));
    assert_eq!(location(&ann.signs_in("/login?login_hint=ann").await), "/");
    assert_eq!(ann.user().await.as_deref(), Some("staff-1"));
    let refused = eve.signs_in("/login?login_hint=ann").await;
    is_refused(refused, StatusCode::FORBIDDEN, "another account").await;
    assert_eq!(eve.user().await, None);
    let families = site.idp.control().families();
    assert_eq!(families.len(), 1, "the tokens of the other user's sign-in are given back");
}

#[tokio::test]
async fn s4_nobody_signs_in_where_the_application_knows_nobody() {
    let site = Site::with(|sign_in| sign_in.known_user(by_proxy)).await;
    let refused = site.browser().open("/login?login_hint=ann").await;
    is_refused(refused, StatusCode::UNAUTHORIZED, "not signed in to this site").await;
}

#[tokio::test]
async fn s4_the_choice_at_a_full_cap_is_the_known_users_alone() {
    let site = Site::with(|sign_in| sign_in.known_user(by_proxy)).await;
    for _ in 0..10 {
        browser_of(&site, "u-1").signs_in("/login?login_hint=ann").await;
    }
    let browser = browser_of(&site, "u-1");
    let page = browser.signs_in("/login?login_hint=ann").await.text().await.unwrap();
    let user = UserId::new("u-1").unwrap();
    let ids = async || {
        let listed = site.manager.list(&user, None).await.unwrap();
        listed.iter().map(|one| one.session.id.to_string()).collect::<Vec<_>>()
    };
    let before = ids().await;
    let form = [("choice", choice_of(&page)), ("end", &before[0])];
    let choose = |user: &'static str| {
        let post = browser.http.post(format!("{}/callback", site.address)).form(&form);
        post.header("remote-user", user).header("accept", "text/html").send()
    };
    is_refused(choose("u-2").await.unwrap(), StatusCode::BAD_REQUEST, "not started").await;
    assert_eq!(ids().await, before, "the browser has another user since");
    location(&choose("u-1").await.unwrap());
    assert_eq!(ids().await.len(), 9);
}

#[tokio::test]
async fn s4_a_sign_out_of_another_user_ends_and_clears_nothing() {
    let site = Site::with(|sign_in| sign_in.known_user(by_proxy)).await;
    let browser = browser_of(&site, "u-1");
    browser.signs_in("/login?login_hint=ann").await;
    let logout = || browser.http.post(format!("{}/logout", site.address));
    let answer = logout().header("remote-user", "").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "the application knows no user");
    assert!(!answer.headers().contains_key("set-cookie"));
    let answer = logout().header("remote-user", "u-2").send().await.unwrap();
    assert!(!answer.headers().contains_key("set-cookie"), "{answer:?}");
    assert_eq!(browser.user().await.as_deref(), Some("u-1"));
    logout().send().await.unwrap();
    assert_eq!(site.sessions("u-1").await, 0);
}
