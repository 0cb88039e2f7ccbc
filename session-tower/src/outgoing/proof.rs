//! Proofs of requests whose token is bound to a key (DPoP, RFC 9449).

use std::error::Error;
#[cfg(feature = "dpop")]
use std::sync::Arc;

use http::{HeaderValue, Request, Response, Uri};
use session_core::SessionManager;
#[cfg(feature = "dpop")]
use session_core::dpop::{DpopNonces, ProofRequest};

use super::caller::OutgoingToken;
#[cfg(feature = "dpop")]
use super::challenge::wants_nonce;

/// Makes proofs, with the nonces that the services have given.
#[derive(Debug, Clone, Default)]
pub(super) struct Proofs {
    #[cfg(feature = "dpop")]
    nonces: Arc<DpopNonces>,
}

#[cfg(feature = "dpop")]
impl Proofs {
    /// Returns the value of the `DPoP` header for one request.
    pub(super) fn prove<B>(
        &self,
        request: &Request<B>,
        token: &OutgoingToken,
        manager: &SessionManager,
    ) -> Result<HeaderValue, Box<dyn Error + Send + Sync>> {
        let nonce = self.nonces.of(request.uri());
        let proof = ProofRequest::new(request.method(), request.uri(), manager.now());
        let proof = proof.with_nonce(nonce.as_deref());
        Ok(match token {
            OutgoingToken::Main(tokens) => tokens.dpop_proof(&proof),
            OutgoingToken::Resource(token) => token.dpop_proof(&proof),
        }?)
    }

    /// Remembers the nonce of a response, and returns whether the request must be repeated with it.
    pub(super) fn learn<B>(&self, from: &Uri, response: &Response<B>) -> bool {
        self.nonces.learn(from, response.headers()) && wants_nonce(response)
    }
}

#[cfg(not(feature = "dpop"))]
impl Proofs {
    /// Refuses: without the feature no proof can be made.
    pub(super) fn prove<B>(
        &self,
        _: &Request<B>,
        _: &OutgoingToken,
        _: &SessionManager,
    ) -> Result<HeaderValue, Box<dyn Error + Send + Sync>> {
        Err("session-tower is built without the feature `dpop`".into())
    }

    pub(super) fn learn<B>(&self, _: &Uri, _: &Response<B>) -> bool {
        false
    }
}
