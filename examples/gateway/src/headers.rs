//! Which headers cross the gateway.

use std::net::SocketAddr;

use axum::http::header::{
    CONNECTION, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header with the user's id, as oauth2-proxy names it; believe it only behind the gateway.
pub const USER: HeaderName = HeaderName::from_static("x-forwarded-user");

/// The header with the signed assertion of who the user is.
pub const ASSERTION: HeaderName = HeaderName::from_static("x-gateway-assertion");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The headers of one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Removes what is meant for this connection alone, and what only the gateway may say.
pub(crate) fn clean_request(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    for name in forged(headers) {
        headers.remove(name);
    }
    if let Some(host) = headers.remove(HOST) {
        headers.insert(FORWARDED_HOST, host);
    }
}

/// Says whose connection the request came by, and how the browser reached the gateway. What the
/// request itself says of it is removed before.
pub(crate) fn say_where_from(
    headers: &mut HeaderMap,
    peer: Option<SocketAddr>,
    scheme: HeaderValue,
) {
    headers.insert(FORWARDED_PROTO, scheme);
    let peer = peer.and_then(|peer| HeaderValue::try_from(peer.ip().to_string()).ok());
    if let Some(peer) = peer {
        headers.insert(FORWARDED_FOR, peer);
    }
}

/// Removes what is meant for this connection alone, and a session cookie that is not the gateway's.
pub(crate) fn clean_response(headers: &mut HeaderMap, cookie: &str) {
    remove_hop_by_hop(headers);
    let is_ours = |value: &HeaderValue| {
        let rest = value.as_bytes().strip_prefix(cookie.as_bytes());
        rest.is_some_and(|rest| rest.first() == Some(&b'='))
    };
    let kept: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|value| !is_ours(value)).cloned().collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

/// Returns the headers by which applications learn of a user. Some servers give `X-Forwarded_User`
/// and `X-Forwarded-User` to an application under one name.
fn forged(headers: &HeaderMap) -> Vec<HeaderName> {
    let is_forged = |name: &&HeaderName| {
        let name = name.as_str().replace('_', "-");
        let is_of_proxy = ["forwarded", "x-real-ip", ASSERTION.as_str()].contains(&name.as_str());
        let prefixes = ["x-forwarded-", "x-auth-request-"];
        is_of_proxy || prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    headers.keys().filter(is_forged).cloned().collect()
}

/// Removes the headers of one connection, and those that it names itself.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Writes the headers that ask for another protocol on this connection.
pub(crate) fn ask_for_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}
