//! The story that the project began with, with real processes: a provider, two gateways on one
//! database, a tool, and a user's devices, of which each signs in by itself.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod processes;
#[cfg(unix)]
mod shutdown;
mod tool;

use std::sync::Arc;
use std::time::Duration;

use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::header::COOKIE;
use reqwest::{StatusCode, Url};
use tokio::net::TcpListener;

use crate::processes::{Folder, Process, SharedClock, gateway, provider};
use crate::tool::Tool;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A browser that has signed in; its cookies are those of both gateways.
struct Device {
    http: reqwest::Client,
    jar: Arc<Jar>,
}

impl Device {
    async fn signed_in(at: &Process) -> Self {
        let jar = Arc::new(Jar::default());
        let http = reqwest::Client::builder().cookie_provider(Arc::clone(&jar)).no_proxy();
        let device = Self { http: http.build().unwrap(), jar };
        let login = "/_gateway/login?login_hint=ann&return_to=%2Fwho";
        let (status, body) = device.get(at, login).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        device
    }

    async fn get(&self, at: &Process, path: &str) -> (StatusCode, String) {
        let answer = self.http.get(format!("{}{path}", at.address)).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Calls the tool, which must get a token that holds; returns the last header that it got.
    async fn calls(&self, at: &Process, tool: &Tool, when: &str) -> String {
        tool.take_seen();
        let (status, body) = self.get(at, "/call").await;
        assert_eq!(status, StatusCode::OK, "{when}: {body}");
        assert!(body.contains("\"ann\""), "{when}: {body}");
        let mut seen = tool.take_seen();
        assert!(seen.iter().all(Option::is_some), "{when}: a call had no header");
        seen.pop().unwrap().unwrap()
    }

    /// Calls the tool in vain: it gets nothing, and the answer says why.
    async fn is_refused(&self, at: &Process, tool: &Tool, because: &str) {
        tool.take_seen();
        let (status, body) = self.get(at, "/call").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
        assert!(body.contains(because), "{body}");
        assert_eq!(tool.take_seen(), [], "the tool was called");
    }

    fn cookies(&self, at: &Process) -> String {
        let url: Url = at.address.parse().unwrap();
        self.jar.cookies(&url).unwrap().to_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn every_call_has_its_token_until_the_device_s_own_session_ends() {
    let folder = Folder::new("story");
    let clock = SharedClock::new(&folder);
    let provider = provider(&clock);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tool = Tool::start(listener, &provider.address).await;
    let mut first = gateway(&folder, &clock, (&provider, &tool.address)).await;
    let second = gateway(&folder, &clock, (&provider, &tool.address)).await;

    let laptop = Device::signed_in(&first).await;
    let before = laptop.calls(&first, &tool, "signed in").await;
    let phone = Device::signed_in(&second).await;
    let after = laptop.calls(&first, &tool, "after the phone has signed in").await;
    assert_eq!(before, after, "the laptop's token is its own");
    assert_eq!(laptop.calls(&second, &tool, "at the other gateway").await, after);
    assert_ne!(phone.calls(&second, &tool, "signed in as well").await, after);

    if clock.is_set_ahead(HOUR) {
        let renewed = laptop.calls(&first, &tool, "after an hour").await;
        assert_ne!(renewed, after, "the old one has expired");
        let elsewhere = laptop.calls(&second, &tool, "after an hour, elsewhere").await;
        assert_eq!(elsewhere, renewed, "it was renewed once");
        phone.calls(&first, &tool, "after an hour").await;
        // After a 401 a token is renewed once in an interval, so that a tool that rejects every token
        // does not use up one after the other.
        clock.is_set_ahead(HOUR + MINUTE);
    }

    let rejected = laptop.calls(&first, &tool, "before a 401").await;
    tool.reject(&rejected);
    assert_ne!(laptop.calls(&first, &tool, "after a 401").await, rejected);

    first.kill();
    laptop.calls(&second, &tool, "after the gateway was killed").await;
    let first = gateway(&folder, &clock, (&provider, &tool.address)).await;

    let copied = phone.cookies(&second);
    let out = phone.http.post(format!("{}/_gateway/logout", second.address)).send().await.unwrap();
    assert!(out.status().is_success(), "{}", out.status());
    laptop.calls(&first, &tool, "after the phone has signed out").await;
    phone.is_refused(&second, &tool, "no_session").await;
    replayed_cookie_is_refused(&second, &tool, &copied).await;

    let (_tablet, _desktop) = (Device::signed_in(&second).await, Device::signed_in(&second).await);
    laptop.is_refused(&second, &tool, "evicted").await;
}

/// Sends the cookie that the phone had, as a thief would.
async fn replayed_cookie_is_refused(at: &Process, tool: &Tool, cookie: &str) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.get(format!("{}/call", at.address)).header(COOKIE, cookie);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let body = answer.text().await.unwrap();
    assert!(body.contains("signed_out"), "{body}");
    assert_eq!(tool.take_seen(), [], "the tool was called");
}
