//! The stream of server-sent events, as a device sees it.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use reqwest::StatusCode;
use serde_json::Value;

use super::browser::Browser;
use super::step_error::{StepError, same};

/// The timeout of reading, far longer than any event takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An open `/api/events`.
pub(super) struct EventStream {
    chunks: BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    text: String,
}

impl EventStream {
    /// Opens the stream. It receives events when this returns.
    pub(super) async fn open(browser: &Browser, copy: &str) -> Result<Self, StepError> {
        let response = browser.open(format!("{copy}/api/events")).await?;
        same("the stream's status", response.status(), StatusCode::OK)?;
        let chunks = response.bytes_stream().boxed();
        let mut stream = Self { chunks, text: String::new() };
        match stream.read().await? {
            true => Ok(stream),
            false => Err(StepError::new("the stream was closed immediately")),
        }
    }

    /// Reads to the end of the stream, and returns the reason if the session ended.
    pub(super) async fn end(mut self) -> Result<Option<String>, StepError> {
        while self.read().await? {}
        let data = self.text.split("\n\n").find_map(|event| {
            let is_ended = event.lines().any(|line| line == "event: ended");
            let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
            is_ended.then(|| data.to_owned())
        });
        let Some(data) = data else { return Ok(None) };
        let data: Value = serde_json::from_str(&data)
            .map_err(|_| StepError::new("the data of the event is not JSON"))?;
        Ok(data.get("reason").and_then(Value::as_str).map(str::to_owned))
    }

    /// Reads the next chunk; returns false at the end.
    async fn read(&mut self) -> Result<bool, StepError> {
        let chunk = tokio::time::timeout(TIMEOUT, self.chunks.next()).await;
        let chunk = chunk.map_err(|_| StepError::new("the stream sent nothing in time"))?;
        let Some(chunk) = chunk.transpose()? else { return Ok(false) };
        self.text.push_str(&String::from_utf8_lossy(&chunk));
        Ok(true)
    }
}
