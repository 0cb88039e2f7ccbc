//! An HTTP client whose requests prove the possession of a key (RFC 9449, sections 5 and 8).

use std::sync::Arc;

use http::{HeaderName, StatusCode};
use openidconnect::{HttpRequest, HttpResponse};

use super::answer::error_code;
use super::http_client::{BoxError, HttpAnswer, HttpClient};
use crate::clock::Clock;
use crate::dpop::{DpopKey, DpopNonces, ProofRequest};

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The application's HTTP client, for the token requests of one session.
pub(super) struct ProvingClient {
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    key: DpopKey,
    nonces: Arc<DpopNonces>,
}

impl ProvingClient {
    pub(super) fn new(
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        key: DpopKey,
        nonces: Arc<DpopNonces>,
    ) -> Self {
        Self { http, clock, key, nonces }
    }

    /// Sends a request, and once more if the provider wants a nonce in its proof: it has then not
    /// looked at the code or the refresh token.
    async fn send_proven(&self, request: HttpRequest) -> Result<HttpResponse, BoxError> {
        let again = request.clone();
        let (response, has_nonce) = self.send_once(request).await?;
        match has_nonce && wants_nonce(&response) {
            true => Ok(self.send_once(again).await?.0),
            false => Ok(response),
        }
    }

    /// Sends a request, and returns the response and whether it has a nonce.
    async fn send_once(&self, mut request: HttpRequest) -> Result<(HttpResponse, bool), BoxError> {
        let uri = request.uri().clone();
        let nonce = self.nonces.of(&uri);
        let proof = ProofRequest::new(request.method(), &uri, self.clock.now());
        let proof = self.key.proof(&proof.with_nonce(nonce.as_deref()), None)?;
        request.headers_mut().insert(DPOP, proof);
        let response = self.http.send(request).await?;
        let has_nonce = self.nonces.learn(&uri, response.headers());
        Ok((response, has_nonce))
    }
}

impl HttpClient for ProvingClient {
    fn send(&self, request: HttpRequest) -> HttpAnswer<'_> {
        Box::pin(self.send_proven(request))
    }
}

/// Returns whether a token endpoint asks for a nonce (RFC 9449, section 8).
fn wants_nonce(response: &HttpResponse) -> bool {
    let is_status = matches!(response.status(), StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
    is_status && error_code(response.body()) == Some("use_dpop_nonce")
}
