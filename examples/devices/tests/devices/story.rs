//! Sign-ins, sign-outs and the page.

use reqwest::{Method, StatusCode};
use session_core::clock::{Clock as _, SystemClock};

use crate::browser::Browser;
use crate::program::{Copy, Directory};

#[tokio::test]
async fn two_devices_sign_in_and_one_signs_out() {
    let directory = Directory::new();
    let copy = Copy::start(&directory, &[]);
    let at = |path: &str| format!("{}{path}", copy.address);
    let phone = Browser::signed_in(&copy.address, "alice").await;
    let laptop = Browser::signed_in(&copy.address, "alice").await;

    let (_, me) = phone.me(&copy.address).await;
    assert_eq!((&me["user"], &me["provider"]), (&"alice".into(), &"builtin".into()));
    assert!(me["created_at"].as_str().unwrap() <= me["last_seen_at"].as_str().unwrap());
    let (_, listed) = phone.json(&at("/api/sessions")).await;
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2);
    for device in listed {
        assert_eq!(device["device"], "curl");
        assert_eq!(device["is_current"], device["id"] == me["id"]);
        assert_eq!(device.as_object().unwrap().len(), 8, "{device}");
    }
    let (status, tool) = laptop.json(&at("/api/tool")).await;
    assert_eq!((status, &tool["sub"]), (StatusCode::OK, &"alice".into()));

    let signed_out = laptop.send(Method::POST, &at("/logout")).await;
    assert_eq!(signed_out.status(), StatusCode::NO_CONTENT);
    let (status, why) = laptop.me(&copy.address).await;
    assert_eq!((status, &why["reason"]), (StatusCode::UNAUTHORIZED, &"no_session".into()));
    assert_eq!(phone.session_id(&copy.address).await, me["id"]);
    // Signing out again, without a session, is not an error.
    let again = laptop.send(Method::POST, &at("/logout")).await;
    assert_eq!(again.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn l4_links_and_other_sites_cannot_end_a_session() {
    let directory = Directory::new();
    let copy = Copy::start(&directory, &[]);
    let phone = Browser::signed_in(&copy.address, "alice").await;
    let laptop = Browser::signed_in(&copy.address, "alice").await;
    let ids = [phone.session_id(&copy.address).await, laptop.session_id(&copy.address).await];
    for (method, path) in [
        (Method::POST, "/logout".to_owned()),
        (Method::POST, "/api/sessions/end-others".to_owned()),
        (Method::POST, format!("/?end={}", ids[1])),
        (Method::DELETE, format!("/api/sessions/{}", ids[1])),
    ] {
        let at = format!("{}{path}", copy.address);
        let linked = phone.get(&at).await;
        assert!(
            linked.status() == StatusCode::METHOD_NOT_ALLOWED || path.starts_with("/?"),
            "{path}"
        );
        let elsewhere = ["Sec-Fetch-Site", "cross-site"];
        let forged = phone.send_with(method, &at, elsewhere).await;
        assert_eq!(forged.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(forged.headers().get("set-cookie").is_none(), "{path}");
    }
    let after = [phone.session_id(&copy.address).await, laptop.session_id(&copy.address).await];
    assert_eq!(after, ids);
}

#[tokio::test]
async fn the_page_works_without_scripts() {
    let directory = Directory::new();
    let copy = Copy::start(&directory, &[]);
    let at = |path: &str| format!("{}{path}", copy.address);
    let html = ["Accept", "text/html"];
    let phone = Browser::signed_in(&copy.address, "%3Cb%3Ealice%22").await;
    let laptop = Browser::signed_in(&copy.address, "%3Cb%3Ealice%22").await;
    let page = phone.send_with(Method::GET, &copy.address, html).await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    assert_eq!(page.headers()["cache-control"], "no-store");
    let page = page.text().await.unwrap();
    assert!(page.contains("&lt;b&gt;alice&quot;") && !page.contains("<b>"), "{page}");
    assert!(page.contains("this device"));

    let id = laptop.session_id(&copy.address).await;
    let ended = phone.post_form(&at("/"), &[("end", &id)]).await;
    assert_eq!((ended.status(), ended.url().path()), (StatusCode::OK, "/"));
    let page = laptop.send_with(Method::GET, &copy.address, html).await.text().await.unwrap();
    assert!(page.contains("from another of your devices"), "{page}");
    let out = phone.send_with(Method::POST, &at("/logout"), html).await;
    assert_eq!(out.url().path(), "/");
    assert!(out.text().await.unwrap().contains("/login"));
}

#[tokio::test]
async fn a_sign_in_over_the_cap_is_rejected() {
    let directory = Directory::new();
    let copy = Copy::start(&directory, &["--max-sessions", "1", "--on-full", "reject"]);
    let alice = Browser::signed_in(&copy.address, "alice").await;
    let login = format!("{}/login?login_hint=alice", copy.address);
    let (status, error) = Browser::new().json(&login).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!((&error["error"], &error["live"]), (&"limit_reached".into(), &1.into()));
    let page = Browser::new().send_with(Method::GET, &login, ["Accept", "text/html"]).await;
    assert_eq!(page.status(), StatusCode::CONFLICT);
    assert!(page.text().await.unwrap().contains("Too many devices"));
    alice.session_id(&copy.address).await;
    // A new sign-in of the same browser supersedes its session.
    assert_eq!(alice.get(&login).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_least_recently_used_device_is_evicted_if_configured() {
    let directory = Directory::new();
    let flags = ["--max-sessions", "3", "--on-full", "evict-lru"];
    let copy = Copy::start(&directory, &flags);
    let another = copy.start_another(&directory, &flags);
    let first = Browser::signed_in(&copy.address, "alice").await;
    let second = Browser::signed_in(&copy.address, "alice").await;
    let third = Browser::signed_in(&copy.address, "alice").await;
    let ids = [first.session_id(&copy.address).await, second.session_id(&copy.address).await];
    let used = SystemClock::default().now().to_string();
    // The other copy sees only what is written to the rows.
    loop {
        let (_, listed) = third.json(&format!("{}/api/sessions", another.address)).await;
        let listed = listed.as_array().unwrap().clone();
        let last_seen = |id: &String| {
            let device = listed.iter().find(|device| device["id"] == **id).unwrap();
            device["last_seen_at"].as_str().unwrap().to_owned()
        };
        if last_seen(&ids[0]) > used {
            break;
        }
        first.session_id(&copy.address).await;
    }
    // The write for the request to the other copy may still be pending; this copy knows its own.
    third.session_id(&copy.address).await;
    Browser::signed_in(&copy.address, "alice").await;
    let (status, why) = second.me(&copy.address).await;
    assert_eq!((status, &why["reason"]), (StatusCode::UNAUTHORIZED, &"evicted".into()));
    first.session_id(&copy.address).await;
    third.session_id(&copy.address).await;
}

#[tokio::test]
async fn a_callback_without_a_pending_sign_in_is_rejected() {
    let directory = Directory::new();
    let copy = Copy::start(&directory, &[]);
    for query in ["", "?code=a&state=b", "?error=access_denied&state=%0d%0a"] {
        let answer = Browser::new().get(&format!("{}/callback{query}", copy.address)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.headers().get("set-cookie").is_none());
    }
}
