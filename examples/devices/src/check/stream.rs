//! A stream of events that a device holds open.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use reqwest::StatusCode;
use serde_json::Value;

use super::browser::Browser;
use super::problem::{Problem, same};

/// No end takes nearly as long to be told, on however busy a machine.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// An open `/api/events`.
pub(super) struct EventStream {
    chunks: BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    text: String,
}

impl EventStream {
    /// Opens the stream; it listens when this comes back.
    pub(super) async fn open(browser: &Browser, copy: &str) -> Result<Self, Problem> {
        let response = browser.open(format!("{copy}/api/events")).await?;
        same("the stream's status", response.status(), StatusCode::OK)?;
        let chunks = response.bytes_stream().boxed();
        let mut stream = Self { chunks, text: String::new() };
        match stream.read().await? {
            true => Ok(stream),
            false => Err(Problem::new("the stream was closed at once")),
        }
    }

    /// Reads to the end of the stream: why the session is over, if that was said.
    pub(super) async fn end(mut self) -> Result<Option<String>, Problem> {
        while self.read().await? {}
        let said = self.text.split("\n\n").find_map(|event| {
            let is_ended = event.lines().any(|line| line == "event: ended");
            let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
            is_ended.then(|| data.to_owned())
        });
        let Some(said) = said else { return Ok(None) };
        let data: Value = serde_json::from_str(&said).map_err(|_| Problem::new("bad data"))?;
        Ok(data.get("reason").and_then(Value::as_str).map(str::to_owned))
    }

    /// Reads on; false at the end.
    async fn read(&mut self) -> Result<bool, Problem> {
        let chunk = tokio::time::timeout(LONGEST_WAIT, self.chunks.next()).await;
        let chunk = chunk.map_err(|_| Problem::new("the stream does not end"))?;
        let Some(chunk) = chunk.transpose()? else { return Ok(false) };
        self.text.push_str(&String::from_utf8_lossy(&chunk));
        Ok(true)
    }
}
