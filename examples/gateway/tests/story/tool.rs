//! The tool: a server that notes the token of each call, and asks the provider whether it holds.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;

/// The tool, which runs until the test ends.
#[derive(Clone)]
pub(crate) struct Tool {
    pub(crate) address: String,
    userinfo: String,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Default)]
struct Calls {
    /// The `Authorization` headers, in order.
    seen: Vec<Option<String>>,
    rejected: Vec<String>,
}

impl Tool {
    pub(crate) async fn start(listener: TcpListener, provider: &str) -> Self {
        let address = format!("http://{}", listener.local_addr().unwrap());
        let userinfo = format!("{provider}/userinfo");
        let tool = Self { address, userinfo, calls: Arc::default() };
        let router = Router::new().fallback(answer).with_state(tool.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        tool
    }

    /// Returns the headers of the calls since the last look.
    pub(crate) fn take_seen(&self) -> Vec<Option<String>> {
        std::mem::take(&mut self.calls.lock().unwrap().seen)
    }

    /// Rejects this header from now on, as a resource server does after a revocation.
    pub(crate) fn reject(&self, header: &str) {
        self.calls.lock().unwrap().rejected.push(header.to_owned());
    }

    fn accepts(&self, header: Option<&str>) -> bool {
        let mut calls = self.calls.lock().unwrap();
        calls.seen.push(header.map(str::to_owned));
        header.is_some_and(|header| calls.rejected.iter().all(|rejected| rejected != header))
    }
}

async fn answer(State(tool): State<Tool>, headers: HeaderMap) -> Response {
    let header = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap());
    let Some(header) = header.filter(|_| tool.accepts(header)) else {
        let challenge = [(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = http.get(&tool.userinfo).header(AUTHORIZATION, header).send().await.unwrap();
    (asked.status(), asked.text().await.unwrap()).into_response()
}
