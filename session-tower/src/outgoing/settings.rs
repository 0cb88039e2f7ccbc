//! What an outgoing request is checked against.

use http::{Request, Uri};
use session_core::SessionManager;

use super::caller::Caller;
use super::error::OutgoingError;
use super::origin::AllowedOrigins;
use crate::cookie::SessionCookie;

/// The settings, shared by the services.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) manager: SessionManager,
    pub(super) origins: AllowedOrigins,
    pub(super) cookie: SessionCookie,
    pub(super) passes_others: bool,
}

impl Settings {
    /// Returns on whose behalf a request is sent; `None` if it is passed on as it is.
    pub(super) fn check<B, E>(
        &self,
        caller: Option<Caller>,
        request: &Request<B>,
    ) -> Result<Option<Caller>, OutgoingError<E>> {
        let is_allowed = caller.is_some() && self.origins.contains(request.uri());
        match caller {
            Some(_) if !is_allowed && !self.passes_others => {
                Err(OutgoingError::NotAllowed { origin: Self::origin_of(request.uri()) })
            }
            caller => Ok(caller.filter(|_| is_allowed)),
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
