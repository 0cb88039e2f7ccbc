//! A sign-in belongs to the tab and the browser that began it.

use super::*;

#[tokio::test]
async fn f33_ten_tabs_sign_in_at_once() {
    let site = Site::new().await;
    let browser = site.browser();
    let mut callbacks = Vec::new();
    for _ in 0..10 {
        callbacks.push(browser.comes_back_from("/login?login_hint=ann").await);
    }
    for callback in &callbacks {
        assert_eq!(location(&browser.open(callback).await), "/");
    }
    let user = browser.user().await.unwrap();
    assert_eq!(site.sessions(&user).await, 1, "one browser has one session");
}

#[tokio::test]
async fn f33_of_more_tabs_the_oldest_is_told_to_begin_again() {
    let site = Site::new().await;
    let browser = site.browser();
    let mut callbacks = Vec::new();
    for _ in 0..12 {
        callbacks.push(browser.comes_back_from("/login?login_hint=ann").await);
    }
    for callback in &callbacks[..2] {
        is_refused(browser.open(callback).await, StatusCode::BAD_REQUEST, "not started").await;
    }
    assert_eq!(location(&browser.open(&callbacks[2]).await), "/");
}

#[tokio::test]
async fn r9_another_browser_or_a_second_use_completes_no_sign_in() {
    let site = Site::new().await;
    let (ann, thief) = (site.browser(), site.browser());
    let callback = ann.comes_back_from("/login?login_hint=ann").await;
    is_refused(thief.open(&callback).await, StatusCode::BAD_REQUEST, "not started").await;
    assert_eq!(thief.user().await, None);
    assert_eq!(location(&ann.open(&callback).await), "/");
    is_refused(ann.open(&callback).await, StatusCode::BAD_REQUEST, "not started").await;
    for forged in ["/callback", "/callback?state=", "/callback?code=x&state=0123456789abcdef"] {
        is_refused(ann.open(forged).await, StatusCode::BAD_REQUEST, "not started").await;
    }
    assert!(ann.user().await.is_some(), "the session of before is as it was");
}

#[tokio::test]
async fn r9_a_code_of_another_tab_and_another_issuer_are_refused() {
    let site = Site::new().await;
    let browser = site.browser();
    let mine = Url::parse(&browser.comes_back_from("/login?login_hint=ann").await).unwrap();
    let query: Vec<(String, String)> = mine.query_pairs().into_owned().collect();
    let with = |name: &str, value: &str| {
        let mut changed = mine.clone();
        changed.set_query(None);
        for (key, old) in &query {
            let value = if key == name { value } else { old };
            changed.query_pairs_mut().append_pair(key, value);
        }
        changed.to_string()
    };
    let response = browser.open(&with("iss", "https://evil.example")).await;
    is_refused(response, StatusCode::BAD_REQUEST, "failed").await;
    let other = site.browser();
    let theirs = Url::parse(&other.comes_back_from("/login?login_hint=bob").await).unwrap();
    let code = theirs.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let again = Url::parse(&browser.comes_back_from("/login?login_hint=ann").await).unwrap();
    let mut injected = again.clone();
    injected.set_query(None);
    for (name, value) in again.query_pairs() {
        let value = if name == "code" { code.clone() } else { value.into_owned() };
        injected.query_pairs_mut().append_pair(&name, &value);
    }
    let response = browser.open(injected.as_str()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "PKCE binds the code to its browser");
    assert_eq!(browser.user().await, None);
}

#[tokio::test]
async fn f33_a_browser_restarted_in_the_middle_begins_again_and_is_told_so() {
    let site = Site::new().await;
    let (before, restarted) = (site.browser(), site.browser());
    let callback = before.comes_back_from("/login?login_hint=ann&return_to=%2Fme").await;
    // Cookies that lived as long as the browser are gone; the pending one has a Max-Age and stays.
    is_refused(restarted.open(&callback).await, StatusCode::BAD_REQUEST, "sign in again").await;
    assert_eq!(location(&restarted.signs_in("/login?login_hint=ann").await), "/");
    assert_eq!(location(&before.open(&callback).await), "/me");
}
