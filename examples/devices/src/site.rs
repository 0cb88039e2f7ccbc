//! What every route is handed.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, HOST};
use axum::http::uri::Authority;
use session_core::{SessionManager, SessionStore};
use tokio::sync::watch;

use crate::identity::Identity;
use crate::sign_in::PendingCookies;

/// What every route is handed.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) manager: SessionManager,
    /// For the question whether it is there; sessions are the manager's.
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) identity: Identity,
    pub(crate) pending: PendingCookies,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Whether the names of people are offered, for nobody is asked for a password.
    pub(crate) is_built_in: bool,
    /// Becomes true when open streams have to end.
    pub(crate) closing: watch::Receiver<bool>,
}

impl Site {
    /// Where the provider sends the browser back to: the host under which the browser knows this
    /// machine, for its cookies are kept under that name; any other name is not trusted.
    pub(crate) fn callback_url(&self, headers: &HeaderMap) -> String {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = host.and_then(|host| host.parse::<Authority>().ok());
        let is_ours = |host: &Authority| matches!(host.host(), "127.0.0.1" | "localhost" | "[::1]");
        match authority.filter(|host| is_ours(host) && !host.as_str().contains('@')) {
            Some(host) => format!("http://{host}/callback"),
            None => format!("http://{}/callback", self.address),
        }
    }
}

/// Whether the client asks for a page and not for data.
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
    fn a_page_is_for_those_who_ask_for_one() {
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
