//! The quick start against the certified provider `oidc-provider`: a process each, and browsers.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod browser;
#[cfg(feature = "dpop")]
mod dpop;
mod world;

use std::time::Duration;

use browser::{Browser, Page};
use reqwest::StatusCode;
use world::World;

/// How long a test waits for what happens beside the requests.
const PATIENCE: Duration = Duration::from_secs(30);

/// Signs a user in at the provider's own pages, from a page of the application on.
async fn signs_in(browser: &Browser, page: String, user: &str) -> Page {
    let mut page = browser.open(page).await;
    assert!(page.url.path().starts_with("/interaction/"), "{page:?}");
    let login = page.form(0).with("login", user).with("password", "any");
    page = browser.submit(login).await;
    // The first sign-in of a user asks for consent too.
    while page.url.path().starts_with("/interaction/") {
        assert!(!page.form(0).has("login"), "the provider has not signed the user in: {page:?}");
        page = browser.submit(page.form(0)).await;
    }
    page
}

/// Opens a page until it answers with this status.
async fn until_answers(browser: &Browser, page: &str, status: StatusCode) -> Page {
    let answered = async {
        loop {
            let page = browser.open(page).await;
            if page.status == status {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap_or_else(|_| panic!("never {status}"))
}

#[tokio::test]
async fn a_newcomer_signs_in_calls_a_service_sees_devices_and_signs_out_at_the_provider() {
    let world = World::start().await;
    let (laptop, phone) = (Browser::new(), Browser::new());
    let home = signs_in(&laptop, world.page("/"), "ann").await;
    assert_eq!((home.url.as_str(), home.text.as_str()), (&*world.page("/"), "Hello, ann"));
    let me = laptop.open(world.page("/me")).await;
    assert!(me.text.contains("\"preferred_username\":\"ann\""), "{me:?}");

    signs_in(&phone, world.page("/"), "ann").await;
    let devices = laptop.open(world.page("/devices")).await;
    assert_eq!(devices.text.matches("Firefox on Linux</strong>").count(), 2, "{devices:?}");
    assert_eq!(devices.text.matches("this device").count(), 1);
    let others = devices.forms().len() - 1;
    let (phone_asks, devices) =
        (phone.fetch(world.page("/me")).await, laptop.submit(devices.form(others)).await);
    assert_eq!(phone_asks.status, StatusCode::OK);
    assert_eq!(devices.text.matches("Firefox on Linux</strong>").count(), 1, "{devices:?}");
    let signed_out = phone.fetch(world.page("/me")).await;
    assert_eq!(signed_out.status, StatusCode::UNAUTHORIZED);
    assert!(signed_out.text.contains("revoked_by_user"), "{signed_out:?}");

    // RP-initiated logout: the provider asks, and sends the browser home.
    let asks = laptop.submit(devices.form(0)).await;
    assert!(asks.url.as_str().starts_with(&world.issuer), "{asks:?}");
    let left = laptop.submit(asks.form(0).with("logout", "yes")).await;
    assert!(left.url.path().starts_with("/interaction/"), "signed in nowhere: {left:?}");
}

#[tokio::test]
async fn r1_a_rotated_refresh_token_is_kept_and_used() {
    let world = World::start().await;
    let ann = Browser::new();
    signs_in(&ann, world.page("/"), "ann").await;
    assert_eq!(world.tokens().await["rotated"], 0);
    ann.open(format!("{}/test/forget-access-tokens", world.issuer)).await;
    let me = ann.open(world.page("/me")).await;
    assert!(me.text.contains("\"sub\":\"ann\""), "{me:?}");
    let tokens = world.tokens().await;
    assert_eq!((&tokens["rotated"], &tokens["refresh"]), (&1.into(), &1.into()));
}

#[tokio::test]
async fn v1_the_last_session_of_a_grant_revokes_its_tokens_also_after_a_restart() {
    let mut world = World::start().await;
    let ann = Browser::new();
    signs_in(&ann, world.page("/"), "ann").await;
    let devices = ann.open(world.page("/devices")).await;
    assert_eq!(world.tokens().await["refresh"], 1);
    // Not confirmed at the provider: its own session stays, and the token is revoked.
    ann.submit(devices.form(0)).await;
    world.restart_application().await;
    let revoked = async {
        while world.tokens().await["refresh"] != 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, revoked).await.expect("the token was never revoked");
}

#[tokio::test]
async fn b4_a_logout_at_the_provider_ends_that_device_and_no_other() {
    let world = World::start().await;
    let (laptop, phone) = (Browser::new(), Browser::new());
    signs_in(&laptop, world.page("/"), "ann").await;
    signs_in(&phone, world.page("/"), "ann").await;
    let asks = phone.open(format!("{}/session/end", world.issuer)).await;
    phone.submit(asks.form(0).with("logout", "yes")).await;
    let laptop = laptop.open(world.page("/devices")).await;
    assert_eq!(laptop.text.matches("Firefox on Linux</strong>").count(), 1, "{laptop:?}");
    let told = phone.open(world.page("/")).await;
    assert!(told.text.contains("signed out at the identity provider"), "{told:?}");
    let phone = phone.open(told.link("Sign in again")).await;
    assert!(phone.url.path().starts_with("/interaction/"), "{phone:?}");
}

#[tokio::test]
async fn a_sign_in_that_is_cancelled_at_the_provider_is_said() {
    let world = World::start().await;
    let ann = Browser::new();
    let asks = ann.open(world.page("/login")).await;
    let refused = ann.open(asks.link("[ Cancel ]")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("did not sign you in") && refused.text.contains("access_denied"));
}

#[tokio::test]
async fn r7_a_provider_with_new_keys_that_forgot_everything_asks_for_a_new_sign_in() {
    let mut world = World::start().await;
    let ann = Browser::new();
    signs_in(&ann, world.page("/"), "ann").await;
    world.restart_provider().await;
    // The session does not depend on the provider.
    assert_eq!(ann.open(world.page("/")).await.text, "Hello, ann");
    // Its token does: the service rejects it, and the renewal is refused.
    let asked = until_answers(&ann, &world.page("/me"), StatusCode::OK).await;
    assert!(asked.url.path().starts_with("/interaction/"), "{asked:?}");
    let home = signs_in(&ann, world.page("/"), "ann").await;
    assert_eq!(home.text, "Hello, ann", "an ID token with the new key is accepted");
}
