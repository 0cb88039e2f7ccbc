//! The nonces that servers have given (RFC 9449, sections 8 and 9).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderName, Uri};

use super::target::Target;

/// The header by which a server gives a nonce.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How many servers' nonces are remembered; the one that was learned longest ago is forgotten, which
/// costs one more request to that server.
const MAX_SERVERS: usize = 64;

/// The maximum length of a nonce that is taken, in bytes.
const MAX_NONCE: usize = 1024;

/// The newest nonce of each server, for the proofs of the next requests. It lives as long as the
/// process: a server that misses a nonce gives one.
///
/// ```
/// use session_core::dpop::DpopNonces;
///
/// let nonces = DpopNonces::default();
/// let mut headers = http::HeaderMap::new();
/// headers.insert("DPoP-Nonce", "eyJ7S_zG".parse().unwrap());
/// nonces.learn(&"https://api.example/a?b".parse().unwrap(), &headers);
/// assert_eq!(nonces.of(&"https://api.example/c".parse().unwrap()).as_deref(), Some("eyJ7S_zG"));
/// assert_eq!(nonces.of(&"https://other.example/c".parse().unwrap()), None);
/// ```
#[derive(Default)]
pub struct DpopNonces(Mutex<VecDeque<(String, String)>>);

impl DpopNonces {
    /// Returns the nonce for a request to this address.
    #[must_use]
    pub fn of(&self, uri: &Uri) -> Option<String> {
        let server = Target::of(uri)?.into_origin();
        let known = self.lock();
        known.iter().find(|(of, _)| *of == server).map(|(_, nonce)| nonce.clone())
    }

    /// Remembers the nonce of a response from this address, whatever its status, and returns whether
    /// it had one.
    pub fn learn(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let nonce = headers.get(DPOP_NONCE).and_then(|value| value.to_str().ok());
        let nonce = nonce.filter(|nonce| is_nonce(nonce));
        let (Some(nonce), Some(target)) = (nonce, Target::of(uri)) else { return false };
        let server = target.into_origin();
        let mut known = self.lock();
        known.retain(|(of, _)| *of != server);
        known.push_back((server, nonce.to_owned()));
        if known.len() > MAX_SERVERS {
            known.pop_front();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a text has the form of a nonce (RFC 9449, section 8.1) and a sensible length.
fn is_nonce(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    (1..=MAX_NONCE).contains(&text.len()) && text.bytes().all(is_allowed)
}

impl fmt::Debug for DpopNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DpopNonces({} servers)", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(nonce: &str) -> HeaderMap {
        HeaderMap::from_iter([(DPOP_NONCE, nonce.parse().unwrap())])
    }

    fn server(number: usize) -> Uri {
        format!("https://s{number}.example/").parse().unwrap()
    }

    #[test]
    fn the_newest_nonce_of_a_server_is_remembered_and_of_no_more_than_a_bounded_number() {
        let nonces = DpopNonces::default();
        for number in 0..MAX_SERVERS {
            assert!(nonces.learn(&server(number), &headers("old")));
        }
        assert!(nonces.learn(&server(0), &headers("new")));
        assert_eq!(nonces.of(&server(0)).as_deref(), Some("new"));
        nonces.learn(&server(MAX_SERVERS), &headers("one more"));
        assert_eq!(nonces.of(&server(MAX_SERVERS)), None, "a space is in no nonce");
        nonces.learn(&server(MAX_SERVERS), &headers("one-more"));
        assert_eq!(nonces.lock().len(), MAX_SERVERS);
        assert_eq!(nonces.of(&server(1)), None, "the oldest is forgotten");
        assert_eq!(nonces.of(&server(0)).as_deref(), Some("new"));
    }

    #[test]
    fn what_is_no_nonce_keeps_the_one_that_is_known() {
        let nonces = DpopNonces::default();
        nonces.learn(&server(1), &headers("known"));
        for bad in ["", "a\"b", "a\\b", "a b", &"x".repeat(MAX_NONCE + 1)] {
            assert!(!nonces.learn(&server(1), &headers(bad)), "{bad}");
        }
        assert!(!nonces.learn(&server(1), &HeaderMap::new()));
        assert_eq!(nonces.of(&server(1)).as_deref(), Some("known"));
        assert!(!format!("{nonces:?}").contains("known"));
    }
}
