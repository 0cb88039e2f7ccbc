//! A user at a full cap chooses the device to sign out.

use session_core::EndReason;
use session_core::manager::ListedSession;
use session_core::session::{ProviderIdentity, Subject};

use super::*;

/// A site whose user Ann is signed in on as many devices as she may, and a browser that is refused.
async fn full() -> (Site, Browser, String) {
    let site = Site::new().await;
    for _ in 0..10 {
        site.browser().signs_in("/login?login_hint=ann").await;
    }
    let browser = site.browser();
    let refused = browser.signs_in("/login?login_hint=ann&return_to=%2Fnotes%3Fpage%3D2").await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let page = refused.text().await.unwrap();
    (site, browser, page)
}

impl Site {
    async fn devices(&self) -> Vec<ListedSession> {
        self.manager.list(&UserId::new("ann").unwrap(), None).await.unwrap()
    }
}

impl Browser {
    async fn chooses(&self, choice: &str, device: &str) -> Response {
        let form = [("choice", choice), ("end", device)];
        let form = self.http.post(format!("{}/callback", self.address)).form(&form);
        form.header(ACCEPT, "text/html").send().await.unwrap()
    }

    /// Goes to the provider that a choice leads to, which knows the user, and comes back.
    async fn goes_on(&self, chosen: &Response) -> Response {
        let at_provider = format!("{}&login_hint=ann", location(chosen));
        let callback = location(&self.open(&at_provider).await);
        self.open(&callback).await
    }
}

pub(super) fn choice_of(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"choice\" value=\"").unwrap();
    rest.split('"').next().unwrap()
}

#[tokio::test]
async fn f21_a_user_at_a_full_cap_chooses_the_device_to_sign_out() {
    let (site, browser, page) = full().await;
    assert!(page.contains("Too many devices"), "{page}");
    let devices = site.devices().await;
    let ids: Vec<String> = devices.iter().map(|listed| listed.session.id.to_string()).collect();
    assert!(ids.iter().all(|id| page.contains(&format!("value=\"{id}\""))), "{page}");

    let chosen = browser.chooses(choice_of(&page), &ids[3]).await;
    assert_eq!(location(&browser.goes_on(&chosen).await), "/notes?page=2");
    assert_eq!(browser.user().await.as_deref(), Some("ann"));
    let left = site.devices().await;
    assert_eq!(left.len(), 10);
    assert!(left.iter().all(|listed| listed.session.id.to_string() != ids[3]));
}

#[tokio::test]
async fn f21_a_choice_ends_only_devices_of_the_user_who_has_authenticated() {
    let (site, browser, page) = full().await;
    let bob = site.browser();
    bob.signs_in("/login?login_hint=bob").await;
    let of_bob = site.manager.list(&UserId::new("bob").unwrap(), None).await.unwrap();
    let id = of_bob[0].session.id.to_string();
    assert!(!page.contains(&id));
    location(&browser.chooses(choice_of(&page), &id).await);
    assert_eq!(site.devices().await.len(), 10);
    assert_eq!(bob.user().await.as_deref(), Some("bob"));
}

#[tokio::test]
async fn f21_what_does_not_fill_the_cap_is_not_offered() {
    let site = Site::new().await;
    let (ann, github) = (UserId::new("ann").unwrap(), ProviderName::new("github").unwrap());
    let elsewhere = SignIn::new(&ann, &github, TokenResponse::bearer("at"));
    let elsewhere = site.manager.sign_in(elsewhere).await.unwrap().session.id.to_string();
    // A connection of the same account fills the cap as well as a browser does.
    let identity = ProviderIdentity {
        issuer: Some(site.idp.issuer().as_str().to_owned()),
        subject: Some(Subject::new("ann").unwrap()),
        ..ProviderIdentity::default()
    };
    let okta = ProviderName::new("okta").unwrap();
    let tool = SignIn::new(&ann, &okta, TokenResponse::bearer("at")).identity(identity);
    let tool = site.manager.connect_with(tool).await.unwrap().session.id.to_string();
    for _ in 0..9 {
        site.browser().signs_in("/login?login_hint=ann").await;
    }
    let browser = site.browser();
    let page = browser.signs_in("/login?login_hint=ann").await.text().await.unwrap();
    assert_eq!(page.matches("name=\"end\"").count(), 10);
    assert!(!page.contains(&elsewhere) && page.contains(&tool), "{page}");
    browser.chooses(choice_of(&page), &elsewhere).await;
    assert_eq!(site.devices().await.len(), 11, "what was not offered is not ended");
}

#[tokio::test]
async fn f21_the_sign_in_goes_on_as_it_was_asked_for() {
    let site = Site::with(|sign_in| sign_in.optional_scope("calendar")).await;
    for _ in 0..10 {
        site.browser().signs_in("/login?login_hint=ann").await;
    }
    let browser = site.browser();
    let refused = browser.signs_in("/login?login_hint=ann&scope=calendar&max_age=60").await;
    let page = refused.text().await.unwrap();
    let id = site.devices().await[0].session.id.to_string();
    let at_provider = location(&browser.chooses(choice_of(&page), &id).await);
    assert!(
        at_provider.contains("max_age=60") && at_provider.contains("calendar"),
        "{at_provider}"
    );
}

#[tokio::test]
async fn f21_a_choice_is_of_its_browser_and_made_once() {
    let (site, browser, page) = full().await;
    let ids: Vec<_> = site.devices().await.iter().map(|one| one.session.id.to_string()).collect();
    let choice = choice_of(&page);
    let elsewhere = site.browser().chooses(choice, &ids[0]).await;
    is_refused(elsewhere, StatusCode::BAD_REQUEST, "not started").await;
    // The last of the 43 characters has one of sixteen values, `A` among them.
    let last = if choice.ends_with('A') { 'E' } else { 'A' };
    for forged in ["", "x", &choice[1..], &format!("{}{last}", &choice[..42])] {
        let forged = browser.chooses(forged, &ids[0]).await;
        is_refused(forged, StatusCode::BAD_REQUEST, "not started").await;
    }
    assert_eq!(site.devices().await.len(), 10);
    location(&browser.chooses(choice, &ids[0]).await);
    let again = browser.chooses(choice, &ids[1]).await;
    is_refused(again, StatusCode::BAD_REQUEST, "not started").await;
    assert_eq!(site.devices().await.len(), 9);
}

#[tokio::test]
async fn l4_another_site_makes_no_choice() {
    let (site, browser, page) = full().await;
    let id = site.devices().await[0].session.id.to_string();
    let form = [("choice", choice_of(&page)), ("end", &id)];
    let post = browser.http.post(format!("{}/callback", site.address)).form(&form);
    let answer = post.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(site.devices().await.len(), 10);
}

#[tokio::test]
async fn f21_a_device_that_ended_meanwhile_is_no_fault_of_the_user() {
    let (site, browser, page) = full().await;
    let ann = UserId::new("ann").unwrap();
    let id = site.devices().await[0].session.id;
    site.manager.end_all(&ann, None, EndReason::RevokedByAdmin).await.unwrap();
    let chosen = browser.chooses(choice_of(&page), &id.to_string()).await;
    browser.goes_on(&chosen).await;
    assert_eq!(browser.user().await.as_deref(), Some("ann"));
}

#[tokio::test]
async fn programs_at_a_full_cap_get_a_problem_document() {
    let (site, browser, _) = full().await;
    let callback = browser.comes_back_from("/login?login_hint=ann").await;
    let answer = browser.http.get(callback).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((&problem["error"], &problem["live"]), (&"limit_reached".into(), &10.into()));
    assert_eq!(site.devices().await.len(), 10);
}
