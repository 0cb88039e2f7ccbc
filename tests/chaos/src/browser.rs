//! A browser: its cookies, its requests, and what it writes to the history.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, COOKIE, HeaderMap, LOCATION};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::cookies::{Cookies, Login};
use crate::history::{Action, Operation, Record};
use crate::site::Site;

/// When a browser gives an answer up: later than a process gives up waiting for a renewal.
const TIMEOUT: Duration = Duration::from_secs(12);

/// A browser of one user.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) site: Arc<Site>,
    pub(crate) number: u32,
    pub(crate) user: String,
    /// Whether its operations must succeed.
    pub(crate) is_final: bool,
}

/// An answer that was read completely.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    json: Value,
}

impl Answer {
    fn text(&self, member: &str) -> Option<String> {
        self.json.get(member).and_then(Value::as_str).map(str::to_owned)
    }

    fn listed(&self) -> Vec<String> {
        let devices = self.json.as_array().map(Vec::as_slice).unwrap_or_default();
        let id = |device: &Value| Some(device.get("id")?.as_str()?.to_owned());
        devices.iter().filter_map(id).collect()
    }
}

impl Browser {
    /// Sends a request; nothing where no answer comes.
    async fn send(&self, method: Method, url: &str, cookies: &Cookies) -> Option<Answer> {
        let request = self.site.client.request(method, url).timeout(TIMEOUT);
        let request = request.header(ACCEPT, "application/json").header(COOKIE, cookies.header());
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.ok()?;
        Some(Answer { status, headers, json: serde_json::from_slice(&body).unwrap_or_default() })
    }

    fn begin(&self, action: Action, process: usize, login: Option<&Login>) -> Operation {
        Operation {
            start: self.site.clock.now(),
            end: 0,
            action,
            browser: self.number,
            user: self.user.clone(),
            process,
            login: login.map(|login| login.number),
            callback: None,
            status: None,
            reason: None,
            session: None,
            answered_user: None,
            sid: None,
            listed: Vec::new(),
            is_final: self.is_final,
        }
    }

    fn finish(&self, mut operation: Operation, answer: Option<&Answer>) -> Operation {
        operation.end = self.site.clock.now();
        operation.status = answer.map(|answer| answer.status.as_u16());
        operation.reason = answer.and_then(|answer| answer.text("reason"));
        self.site.history.write(&Record::Operation(operation.clone()));
        operation
    }

    fn url(&self, process: usize, path: &str) -> String {
        let address = self.site.processes.get(process).map_or("", |process| &process.address);
        format!("http://{address}{path}")
    }

    /// Presents the cookie of a login, and returns what was answered.
    pub(crate) async fn call(&self, action: Action, process: usize, login: &Login) -> Operation {
        let (method, path) = match action {
            Action::Tool => (Method::GET, "/api/tool"),
            Action::List => (Method::GET, "/api/sessions"),
            Action::EndOthers => (Method::POST, "/api/sessions/end-others"),
            Action::SignOut => (Method::POST, "/logout"),
            _ => (Method::GET, "/api/me"),
        };
        let mut operation = self.begin(action, process, Some(login));
        let answer = self.send(method, &self.url(process, path), &login.cookie).await;
        if let Some(answer) = answer.as_ref().filter(|answer| answer.status.is_success()) {
            operation.session = answer.text("id");
            operation.answered_user = answer.text("user").or_else(|| answer.text("sub"));
            operation.sid = answer.text("sid");
            operation.listed = answer.listed();
        }
        self.finish(operation, answer.as_ref())
    }

    /// Ends a session of the user.
    pub(crate) async fn end(&self, process: usize, login: &Login, session: &str) -> Operation {
        let mut operation = self.begin(Action::End, process, Some(login));
        operation.session = Some(session.to_owned());
        let url = self.url(process, &format!("/api/sessions/{session}"));
        let answer = self.send(Method::DELETE, &url, &login.cookie).await;
        self.finish(operation, answer.as_ref())
    }

    /// Signs in while presenting the cookie of an earlier login. The login is new if the callback
    /// was answered with a cookie.
    pub(crate) async fn sign_in(&self, process: usize, before: Option<&Login>) -> Option<Login> {
        let mut operation = self.begin(Action::SignIn, process, before);
        let session = before.map(|login| login.cookie.clone()).unwrap_or_default();
        let mut pending = Cookies::default();
        let url = self.url(process, &format!("/login?login_hint={}", self.user));
        let mut answer = self.send(Method::GET, &url, &session).await;
        if let Some(authorize) = answer.as_ref().and_then(redirect) {
            pending.apply(&answer.as_ref()?.headers);
            answer = self.send(Method::GET, &authorize, &Cookies::default()).await;
            if let Some(callback) = answer.as_ref().and_then(redirect) {
                operation.callback = Some(self.site.next_callback());
                answer = self.send(Method::GET, &callback, &session.with(&pending)).await;
            }
        }
        let cookie = answer.as_ref().and_then(|answer| {
            redirect(answer)?;
            let mut cookies = Cookies::default();
            let set = cookies.apply(&answer.headers);
            cookies.only(set.first()?)
        });
        let operation = self.finish(operation, answer.as_ref());
        Some(Login { number: operation.callback?, cookie: cookie? })
    }
}

fn redirect(answer: &Answer) -> Option<String> {
    let location = answer.headers.get(LOCATION)?.to_str().ok()?;
    answer.status.is_redirection().then(|| location.to_owned())
}
