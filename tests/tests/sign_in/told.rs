//! What a browser is told, and what is kept for it: why it was signed out, and who its user is.

use session_core::EndReason;
use session_core::session::SessionData;

use super::*;

#[tokio::test]
async fn f22_a_browser_is_told_once_why_it_was_signed_out() {
    let site = Site::new().await;
    let browser = site.browser();
    browser.signs_in("/login?login_hint=ann").await;
    let ann = UserId::new("ann").unwrap();
    site.manager.end_all(&ann, None, EndReason::RevokedByAdmin).await.unwrap();

    let sent_on = location(&browser.open("/me?a=%3Cb%3E").await);
    assert!(sent_on.starts_with("/login?reason=revoked_by_admin&"), "{sent_on}");
    let told = browser.open(&sent_on).await;
    assert_eq!(told.status(), StatusCode::OK, "the provider is not asked yet");
    let page = told.text().await.unwrap();
    assert!(page.contains("signed out by an administrator"), "{page}");
    let again = "/login?return_to=%2Fme%3Fa%3D%253Cb%253E";
    assert!(page.contains(&format!("<a href=\"{again}\">Sign in again</a>")), "{page}");
    let next = location(&browser.open("/me").await);
    assert!(!next.contains("reason"), "it is told once: {next}");
    assert_eq!(
        location(&browser.signs_in(&format!("{again}&login_hint=ann")).await),
        "/me?a=%3Cb%3E"
    );
}

#[tokio::test]
async fn a_reason_that_a_link_makes_up_is_not_shown() {
    let site = Site::new().await;
    let made_up = "/login?reason=%3Cscript%3Ealert(1)%3C%2Fscript%3E&login_hint=ann";
    let signed_in = site.browser().signs_in(made_up).await;
    assert_eq!(location(&signed_in), "/");
    let signed_in = site.browser();
    signed_in.signs_in("/login?login_hint=ann").await;
    let told = signed_in.open("/login?reason=revoked_by_admin").await;
    assert_eq!(told.status(), StatusCode::SEE_OTHER, "it has not been signed out");
    let quoted = "/login?reason=evicted&return_to=%2F%22%3E%3Cscript%3E&%22%3E%3Cb%3E=1";
    let page = site.browser().open(quoted).await.text().await.unwrap();
    assert!(!page.contains("<script>") && !page.contains("<b>"), "{page}");
}

#[tokio::test]
async fn programs_are_sent_to_the_provider_whatever_the_reason() {
    let site = Site::new().await;
    let http = site.browser().http;
    let answer = http.get(format!("{}/login?reason=evicted", site.address)).send().await.unwrap();
    assert!(location(&answer).starts_with(site.idp.issuer().as_str()));
}

#[tokio::test]
async fn claims_are_kept_with_the_session_over_renewal_and_step_up() {
    let site = Site::new().await;
    let browser = site.browser();
    browser.signs_in("/login?login_hint=ann").await;
    let name = |browser: Browser| async move { browser.open("/name").await.text().await.unwrap() };
    let known = name(browser.clone()).await;
    assert_eq!(known, "Some(String(\"ann\"))");
    let ann = UserId::new("ann").unwrap();
    let id = site.manager.list(&ann, None).await.unwrap()[0].session.id;
    let token = site.manager.access_token(&ann, id).await.unwrap();
    site.manager.access_token_after_rejection(&ann, id, token.access_token()).await.unwrap();
    assert_eq!(name(browser.clone()).await, known);
    browser.signs_in("/login?max_age=0&login_hint=ann").await;
    assert_eq!(name(browser.clone()).await, known);
    assert_eq!(site.sessions("ann").await, 1, "the session goes on");
}

/// Keeps more than a session may hold, or what only this application knows.
struct Keeps(SessionData);

#[async_trait]
impl UserOfSignIn for Keeps {
    async fn user(&self, _: &ProviderName, _: &SignInOutcome) -> Result<UserId, RefusedUser> {
        Ok(UserId::new("staff-1").unwrap())
    }

    fn data(&self, _: &SignInOutcome) -> Option<SessionData> {
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn an_application_keeps_data_of_its_own() {
    let kept = SessionData::new(&serde_json::json!({ "preferred_username": "Boss" })).unwrap();
    let site = Site::with(|sign_in| sign_in.users(Keeps(kept))).await;
    let browser = site.browser();
    browser.signs_in("/login?login_hint=ann").await;
    let name = browser.open("/name").await.text().await.unwrap();
    assert_eq!(name, "Some(String(\"Boss\"))");
}
