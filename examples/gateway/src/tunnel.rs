//! Connections that speak another protocol, such as web sockets.

use axum::http::header::{ORIGIN, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, Request, Uri};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use session_core::SessionManager;
use session_tower::CurrentSession;
use tokio::io::{copy, split};
use tokio_util::io::InspectReader;

/// Returns the protocol that a request asks for, and the connection once it speaks it.
pub(crate) fn upgrade_of<B>(request: &mut Request<B>) -> Option<(HeaderValue, OnUpgrade)> {
    let protocol = request.headers().get(UPGRADE)?.clone();
    Some((protocol, hyper::upgrade::on(request)))
}

/// Returns whether a page of another origin asks for a web socket. The cookie does not tell: a
/// sibling's pages send it too (cross-site WebSocket hijacking).
pub(crate) fn is_foreign(headers: &HeaderMap, host: Option<&HeaderValue>) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let origin = origin.and_then(|origin| Some(origin.authority()?.to_string()));
    origin.as_deref().map(str::as_bytes) != host.map(HeaderValue::as_bytes)
}

/// Copies in both directions until one side closes, or the session ends. What the client sends is
/// the user's doing, and puts the idle timeout off.
pub(crate) async fn tunnel(
    (client, upstream): (OnUpgrade, OnUpgrade),
    current: CurrentSession,
    sessions: SessionManager,
) {
    let Ok((client, upstream)) = tokio::try_join!(client, upstream) else {
        tracing::debug!("a connection was closed before it spoke the other protocol");
        return;
    };
    let mut ended = current.ended();
    tokio::select! {
        () = carry(client, upstream, || current.touch(&sessions)) => {}
        reason = ended.wait() => tracing::debug!(%reason, "a tunnel is closed"),
    }
}

async fn carry(client: Upgraded, upstream: Upgraded, touch: impl Fn()) {
    let (from_client, mut to_client) = split(TokioIo::new(client));
    let (mut from_upstream, mut to_upstream) = split(TokioIo::new(upstream));
    let mut from_client = InspectReader::new(from_client, |_| touch());
    // One direction that is over ends the other: neither side may wait for a peer that is gone.
    tokio::select! {
        _ = copy(&mut from_client, &mut to_upstream) => {}
        _ = copy(&mut from_upstream, &mut to_client) => {}
    }
}
