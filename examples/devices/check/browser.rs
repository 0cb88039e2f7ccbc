//! A device: a browser with its own cookie jar.

use axum::http::header::{ACCEPT, SET_COOKIE};
use reqwest::header::HeaderMap;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::step_error::{StepError, same};
use crate::provider_client::is_loopback;

/// The user agent of a real browser, so that the list shows a device name.
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A device with its own cookies.
#[derive(Debug, Clone)]
pub(super) struct Browser {
    client: Client,
}

/// A response that was read completely.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Null where the body is not JSON.
    pub(super) json: Value,
}

impl Browser {
    pub(super) fn new() -> Result<Self, StepError> {
        let client = Client::builder()
            .cookie_store(true)
            .user_agent(AGENT)
            .redirect(Policy::custom(within_loopback))
            .no_proxy()
            .tls_built_in_root_certs(false)
            .build()?;
        Ok(Self { client })
    }

    /// Signs in as this user, without a form, and checks that the browser ends on the page.
    pub(super) async fn sign_in(&self, copy: &str, user: &str) -> Result<(), StepError> {
        let (status, path) = self.lands(copy, user).await?;
        same("the last response of the sign-in", (status, path.as_str()), (StatusCode::OK, "/"))
    }

    /// Signs in among others, and returns whether the browser was told at once that it was evicted.
    pub(super) async fn is_evicted_at_once(
        &self,
        copy: &str,
        user: &str,
    ) -> Result<bool, StepError> {
        let (status, path) = self.lands(copy, user).await?;
        same("the last response of the sign-in", status, StatusCode::OK)?;
        Ok(path == "/login")
    }

    async fn lands(&self, copy: &str, user: &str) -> Result<(StatusCode, String), StepError> {
        let request = self.client.get(format!("{copy}/login")).query(&[("login_hint", user)]);
        let response = request.header(ACCEPT, "text/html").send().await?;
        Ok((response.status(), response.url().path().to_owned()))
    }

    /// Creates a device and signs it in.
    pub(super) async fn signed_in(copy: &str, user: &str) -> Result<Self, StepError> {
        let browser = Self::new()?;
        browser.sign_in(copy, user).await?;
        Ok(browser)
    }

    pub(super) async fn get(&self, url: String) -> Result<Reply, StepError> {
        self.send(Method::GET, url, &[]).await
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: String,
        headers: &[(&str, &str)],
    ) -> Result<Reply, StepError> {
        let request = self.client.request(method, url);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?;
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Reply { status, headers, json })
    }

    /// Sends a request whose response is read in chunks.
    pub(super) async fn open(&self, url: String) -> Result<reqwest::Response, StepError> {
        Ok(self.client.get(url).send().await?)
    }

    /// Returns the id of the session that this device has.
    pub(super) async fn session_id(&self, copy: &str) -> Result<String, StepError> {
        let me = self.get(format!("{copy}/api/me")).await?.with_status(StatusCode::OK)?;
        me.text("id")
    }

    /// Calls the tool, and returns the provider's `sid` of the login whose token was used.
    pub(super) async fn call_tool(&self, copy: &str) -> Result<String, StepError> {
        let reply = self.get(format!("{copy}/api/tool")).await?.with_status(StatusCode::OK)?;
        reply.text("sid")
    }
}

impl Reply {
    /// Checks the status.
    pub(super) fn with_status(self, status: StatusCode) -> Result<Self, StepError> {
        match self.status == status {
            true => Ok(self),
            false => Err(StepError::new(format!(
                "the response is {}, should be {status}: {}",
                self.status, self.json
            ))),
        }
    }

    /// Returns a string member of the JSON object.
    pub(super) fn text(&self, member: &str) -> Result<String, StepError> {
        let text = self.json.get(member).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| StepError::new(format!("there is no {member} in {}", self.json)))
    }

    /// Checks that this is a 401 with this reason.
    pub(super) fn with_reason(self, reason: &str) -> Result<(), StepError> {
        let reply = self.with_status(StatusCode::UNAUTHORIZED)?;
        same("the reason", reply.text("reason")?.as_str(), reason)
    }

    /// Returns the cookies that it sets.
    pub(super) fn cookies(&self) -> impl Iterator<Item = &str> {
        self.headers.get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok())
    }
}

/// Follows redirects to loopback addresses only.
fn within_loopback(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > 10 || !is_loopback(attempt.url()) {
        return attempt.error("the redirect leads to another host");
    }
    attempt.follow()
}
