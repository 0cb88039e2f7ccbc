//! One device: a browser with a cookie jar of its own.

use axum::http::header::{ACCEPT, SET_COOKIE};
use reqwest::header::HeaderMap;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::problem::{Problem, same};
use crate::identity::is_loopback;

/// A real browser's, so that the list has something to show.
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A device with its own cookies.
#[derive(Debug, Clone)]
pub(super) struct Browser {
    client: Client,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Null where the body is not JSON.
    pub(super) json: Value,
}

impl Browser {
    pub(super) fn new() -> Result<Self, Problem> {
        let client = Client::builder()
            .cookie_store(true)
            .user_agent(AGENT)
            .redirect(Policy::custom(on_this_machine))
            .no_proxy()
            .tls_built_in_root_certs(false)
            .build()?;
        Ok(Self { client })
    }

    /// Signs in as this user at a copy whose provider needs no form, and lands on its page.
    pub(super) async fn sign_in(&self, copy: &str, user: &str) -> Result<(), Problem> {
        let request = self.client.get(format!("{copy}/login")).query(&[("login_hint", user)]);
        let response = request.header(ACCEPT, "text/html").send().await?;
        let (status, path) = (response.status(), response.url().path().to_owned());
        same("the sign-in's last answer", (status, path.as_str()), (StatusCode::OK, "/"))
    }

    /// A new device that has signed in.
    pub(super) async fn signed_in(copy: &str, user: &str) -> Result<Self, Problem> {
        let browser = Self::new()?;
        browser.sign_in(copy, user).await?;
        Ok(browser)
    }

    pub(super) async fn get(&self, url: String) -> Result<Answer, Problem> {
        self.send(Method::GET, url, &[]).await
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: String,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Problem> {
        let request = self.client.request(method, url);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?;
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Answer { status, headers, json })
    }

    /// An answer that is read bit by bit.
    pub(super) async fn open(&self, url: String) -> Result<reqwest::Response, Problem> {
        Ok(self.client.get(url).send().await?)
    }

    /// The session that this device holds at a copy.
    pub(super) async fn session_id(&self, copy: &str) -> Result<String, Problem> {
        let me = self.get(format!("{copy}/api/me")).await?.with_status(StatusCode::OK)?;
        me.text("session_id")
    }

    /// The provider's own name of the login whose token the tool was called with.
    pub(super) async fn call_tool(&self, copy: &str) -> Result<String, Problem> {
        let answer = self.get(format!("{copy}/api/tool")).await?.with_status(StatusCode::OK)?;
        answer.text("sid")
    }
}

impl Answer {
    /// This answer, if it has this status.
    pub(super) fn with_status(self, status: StatusCode) -> Result<Self, Problem> {
        match self.status == status {
            true => Ok(self),
            false => Err(Problem::new(format!(
                "the answer is {}, should be {status}: {}",
                self.status, self.json
            ))),
        }
    }

    /// A member of the JSON object that is text.
    pub(super) fn text(&self, member: &str) -> Result<String, Problem> {
        let text = self.json.get(member).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| Problem::new(format!("there is no {member} in {}", self.json)))
    }

    /// That this says 401 with this reason.
    pub(super) fn says_why(self, reason: &str) -> Result<(), Problem> {
        let answer = self.with_status(StatusCode::UNAUTHORIZED)?;
        same("the reason", answer.text("reason")?.as_str(), reason)
    }

    /// The cookies that it sets.
    pub(super) fn cookies(&self) -> impl Iterator<Item = &str> {
        self.headers.get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok())
    }
}

/// Follows redirects on this machine only.
fn on_this_machine(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > 10 || !is_loopback(attempt.url()) {
        return attempt.error("the redirect leads away");
    }
    attempt.follow()
}
