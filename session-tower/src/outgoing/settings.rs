//! What an outgoing request is checked against.

use http::{Request, Uri};
use session_core::SessionManager;

use super::caller::Caller;
use super::error::OutgoingError;
use super::origin::{AllowedOrigins, TokenKind};
use super::proof::Proofs;
use crate::cookie::SessionCookie;

/// The settings, shared by the services.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) manager: SessionManager,
    pub(super) origins: AllowedOrigins,
    pub(super) cookie: SessionCookie,
    pub(super) passes_others: bool,
    pub(super) proofs: Proofs,
}

impl Settings {
    /// Returns on whose behalf a request is sent, and with which token; `None` if it is passed on as it is.
    pub(super) fn check<B, E>(
        &self,
        caller: Option<Caller>,
        request: &Request<B>,
    ) -> Result<Option<(Caller, TokenKind)>, OutgoingError<E>> {
        match (caller, self.origins.token_for(request.uri())) {
            (Some(caller), Some(token)) => Ok(Some((caller, token.clone()))),
            (Some(_), None) if !self.passes_others => {
                Err(OutgoingError::NotAllowed { origin: Self::origin_of(request.uri()) })
            }
            _ => Ok(None),
        }
    }

    /// Returns the scheme, host and port of an address, for an error.
    fn origin_of(uri: &Uri) -> String {
        let host = uri.host().unwrap_or_default();
        let scheme = uri.scheme_str().unwrap_or_default();
        let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{host}{port}")
    }
}
