//! The application with a provider and two tool servers, over real HTTP, and browsers with their own
//! cookies.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod site;

use std::time::Duration;

use serde_json::json;
use session_core::UserId;
use session_core::session::Origin;

use site::{Site, TOKEN_LIFETIME};

#[tokio::test]
async fn f23_two_devices_call_two_tools_and_one_devices_end_changes_nothing() {
    let site = Site::new().await;
    let (laptop, phone) = (site.browser().await, site.browser().await);
    for server in ["files", "mail"] {
        assert_eq!(laptop.read(server).await, (409, json!("connect_again")));
        laptop.connect(server).await;
        assert_eq!(laptop.tools(server).await, json!(["read"]));
        for device in [&laptop, &phone] {
            assert_eq!(device.read(server).await, (200, json!(format!("ann's {server}"))));
        }
    }
    assert!(phone.page("/").await.contains("/tools/mail/read"));
    laptop.sign_out().await;
    assert_eq!(laptop.read("files").await.0, 401);
    for server in ["files", "mail"] {
        assert_eq!(phone.read(server).await, (200, json!(format!("ann's {server}"))));
    }
    // Another user has no part in it.
    let eve = site.browser_of("eve").await;
    assert_eq!(eve.read("files").await, (409, json!("connect_again")));
    assert_eq!(eve.read("other").await, (404, json!("unknown_server")));
}

#[tokio::test]
async fn a_token_that_expires_or_is_rejected_in_the_middle_is_renewed_and_the_call_goes_through() {
    let site = Site::new().await;
    let device = site.browser().await;
    device.connect("files").await;
    assert_eq!(device.read("files").await, (200, json!("ann's files")));
    let tokens = || site.tokens_at("files").len();
    assert_eq!(tokens(), 1);

    site.clock.advance(TOKEN_LIFETIME + Duration::from_secs(1));
    assert_eq!(device.read("files").await, (200, json!("ann's files")));
    assert_eq!(tokens(), 2, "expired: renewed before it is sent");

    // The tool server rejects a token that has not expired, between two requests of one call.
    site.clock.advance(Duration::from_secs(60));
    site.reject_next_call("files");
    assert_eq!(device.read("files").await, (200, json!("ann's files")));
    assert_eq!(tokens(), 3, "rejected: renewed, and sent once more");
}

#[tokio::test]
async fn a_connection_that_was_ended_on_the_page_is_connected_again() {
    let site = Site::new().await;
    let (laptop, phone) = (site.browser().await, site.browser().await);
    for server in ["files", "mail"] {
        laptop.connect(server).await;
    }
    let page = phone.page("/devices").await;
    assert!(page.contains("mcp:files") && page.contains("mcp:mail"), "{page}");
    let connections = site.connections("ann").await;
    assert_eq!(connections.len(), 2);
    let files = connections.iter().find(|one| one.provider.as_str() == "mcp:files").unwrap();
    phone.end(&files.id.to_string()).await;
    assert_eq!(laptop.read("files").await, (409, json!("connect_again")));
    assert_eq!(laptop.read("mail").await, (200, json!("ann's mail")), "one by one");
    phone.connect("files").await;
    assert_eq!(laptop.read("files").await, (200, json!("ann's files")));

    // The authorization server ends a grant: the next call finds it out.
    let families = site.provider.control().families();
    for family in families.iter().filter(|family| family.client_id == "connector") {
        assert!(site.provider.control().revoke_family(&family.sid));
    }
    site.clock.advance(TOKEN_LIFETIME + Duration::from_secs(1));
    assert_eq!(phone.read("mail").await, (409, json!("connect_again")));
    let ann = UserId::new("ann").unwrap();
    let live = site.sessions.list(&ann, None).await.unwrap();
    let browsers = live.iter().filter(|one| one.session.origin == Origin::Login).count();
    assert_eq!(browsers, 2, "no device is signed out for it");
}

#[tokio::test]
async fn a_tool_server_gets_tokens_of_its_own_audience_alone() {
    let site = Site::new().await;
    let device = site.browser().await;
    for server in ["files", "mail"] {
        device.connect(server).await;
        assert_eq!(device.read(server).await.0, 200);
    }
    let (files, mail) = (site.tokens_at("files"), site.tokens_at("mail"));
    assert!(!files.is_empty() && !mail.is_empty());
    assert!(files.is_disjoint(&mail), "no token is sent to both");
    // A token of the one is refused by the other, and says where to get one.
    let token = files.iter().next().unwrap();
    let refused = device.http.post(site.url_of("mail")).bearer_auth(token).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("/.well-known/oauth-protected-resource/mcp"), "{challenge}");
    let refused = device.http.post(site.url_of("mail")).send().await.unwrap();
    assert_eq!(refused.status(), 401, "without a token too");
}
