//! The state that all routes share.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use session_core::{SessionManager, SessionStore};
use tokio::sync::watch;

use crate::provider_client::ProviderClient;

/// The state that all routes share.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) manager: SessionManager,
    /// For the health check only; the routes use the manager.
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) provider: ProviderClient,
    /// The address that the server listens on.
    pub(crate) address: SocketAddr,
    /// Whether to offer user names on the page: the built-in provider asks for no password.
    pub(crate) has_built_in_provider: bool,
    /// Becomes true when open streams must close.
    pub(crate) closing: watch::Receiver<bool>,
}

/// Returns whether the client accepts HTML.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    accept.flat_map(|accept| accept.split(',')).any(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_sent_only_to_clients_that_accept_html() {
        let asks = |accept: &'static str| {
            wants_page(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]))
        };
        assert!(asks("text/html"));
        assert!(asks("application/xhtml+xml, text/html;q=0.9, */*;q=0.8"));
        assert!(!asks("*/*"));
        assert!(!asks("application/json"));
        assert!(!wants_page(&HeaderMap::new()));
    }
}
