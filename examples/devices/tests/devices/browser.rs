//! A browser for the tests.

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;

/// A device with its own cookie jar.
pub(crate) struct Browser(Client);

impl Browser {
    pub(crate) fn new() -> Self {
        let client = Client::builder().cookie_store(true).user_agent("curl/8.5.0").no_proxy();
        Self(client.tls_built_in_root_certs(false).build().unwrap())
    }

    /// Creates a device and signs it in.
    pub(crate) async fn signed_in(copy: &str, user: &str) -> Self {
        let browser = Self::new();
        let landed = browser.get(&format!("{copy}/login?login_hint={user}")).await;
        assert_eq!((landed.status(), landed.url().path()), (StatusCode::OK, "/"));
        browser
    }

    pub(crate) async fn get(&self, url: &str) -> Response {
        self.0.get(url).send().await.unwrap()
    }

    pub(crate) async fn send(&self, method: Method, url: &str) -> Response {
        self.0.request(method, url).send().await.unwrap()
    }

    pub(crate) async fn send_with(&self, method: Method, url: &str, header: [&str; 2]) -> Response {
        let [name, value] = header;
        self.0.request(method, url).header(name, value).send().await.unwrap()
    }

    /// Sends a form as the page does, and follows to the page that is shown then.
    pub(crate) async fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> Response {
        let form = self.0.post(url).form(fields).header("Accept", "text/html");
        form.send().await.unwrap()
    }

    pub(crate) async fn json(&self, url: &str) -> (StatusCode, Value) {
        let response = self.get(url).await;
        (response.status(), response.json().await.unwrap())
    }

    /// Returns the current session as the copy reports it.
    pub(crate) async fn me(&self, copy: &str) -> (StatusCode, Value) {
        self.json(&format!("{copy}/api/me")).await
    }

    /// Returns the id of the current session.
    pub(crate) async fn session_id(&self, copy: &str) -> String {
        let (status, me) = self.me(copy).await;
        assert_eq!(status, StatusCode::OK, "{me}");
        me["id"].as_str().unwrap().to_owned()
    }
}
