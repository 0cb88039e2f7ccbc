//! The application's HTTP client with a limit of time for each call.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::header::ACCEPT;
use http::{Request, Uri};

use super::answer::Answer;
use super::http_client::HttpClient;
use crate::clock::Clock;
use crate::provider::{ProviderError, ProviderErrorKind};

/// What every call to the provider needs.
pub(super) struct Transport {
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) timeout: Duration,
}

impl Transport {
    /// Fetches a public document.
    pub(super) async fn get(&self, address: &Uri) -> Result<Answer, ProviderError> {
        let mut request = Request::new(Vec::new());
        *request.uri_mut() = address.clone();
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, json);
        let call = async {
            let sent = self.http.send(request).await;
            sent.map(Answer::of).map_err(|cause| unavailable().caused_by(cause))
        };
        self.bounded(call).await
    }

    /// Waits for a call for at most the timeout. What has arrived by then counts.
    pub(super) async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let timeout = self.clock.sleep(self.timeout);
        tokio::select! {
            biased;
            answer = call => answer,
            () = timeout => Err(unavailable().caused_by("no answer in time")),
        }
    }
}

const fn unavailable() -> ProviderError {
    ProviderError::new(ProviderErrorKind::Unavailable)
}
