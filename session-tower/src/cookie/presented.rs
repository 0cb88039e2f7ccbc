//! The values of the session cookie that a request presents.

use http::header::{COOKIE, Entry};
use http::{HeaderMap, HeaderValue};
use session_core::session::{SecretDigest, SessionSecret};

use super::{LegacyFormat, SessionCookie};

/// How many values of the name are read; further ones are ignored.
const MAX_VALUES: usize = 4;

/// The maximum length of a well-formed value, in bytes. A secret's text has 43.
const MAX_VALUE_BYTES: usize = 256;

/// The values of the session cookie that a request presents, as digests; no value is kept.
#[derive(Debug, Default)]
pub(crate) struct PresentedValues {
    /// How many there are, malformed ones included.
    count: usize,
    /// The well-formed ones, each once, in the order of the request.
    candidates: [Option<Candidate>; MAX_VALUES],
}

/// A well-formed value, which may be a session's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) digest: SecretDigest,
    /// Whether it has the form of a secret that was issued here.
    pub(crate) is_issued_form: bool,
    /// Whether it has the format of another system's values, which alone are accepted for sessions
    /// that still have that system's secret.
    pub(crate) is_legacy: bool,
}

impl PresentedValues {
    /// Returns whether the request has no cookie of the name.
    pub(crate) const fn is_none(&self) -> bool {
        self.count == 0
    }

    /// Returns the only value, if it is well-formed.
    pub(crate) const fn single(&self) -> Option<&Candidate> {
        match (self.count, &self.candidates) {
            (1, [candidate, ..]) => candidate.as_ref(),
            _ => None,
        }
    }

    /// Returns the digest of the first well-formed value.
    pub(crate) fn first(&self) -> Option<SecretDigest> {
        self.candidates().next().map(|candidate| candidate.digest)
    }

    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().flatten()
    }

    fn add(&mut self, candidate: Option<Candidate>) {
        self.count += 1;
        let Some(candidate) = candidate else { return };
        for slot in &mut self.candidates {
            match slot {
                Some(known) if known.digest == candidate.digest => return,
                Some(_) => {}
                None => {
                    *slot = Some(candidate);
                    return;
                }
            }
        }
    }
}

impl SessionCookie {
    /// Returns the values that a request presents under exactly this name (C6). A browser treats
    /// `__hOsT-session` as a prefixed cookie; it is another cookie here.
    ///
    /// Copies and allocates nothing, and reads no other cookie's value.
    pub(crate) fn presented(&self, headers: &HeaderMap) -> PresentedValues {
        let mut presented = PresentedValues::default();
        for header in headers.get_all(COOKIE) {
            for pair in pairs(header.as_bytes()) {
                let Some(value) = self.value_of(pair) else { continue };
                presented.add(candidate(value, self.legacy.as_ref()));
                if presented.count == MAX_VALUES {
                    return presented;
                }
            }
        }
        presented
    }

    /// Removes the cookie from a request that is passed on to another service.
    pub(crate) fn remove_from(&self, headers: &mut HeaderMap) {
        let is_ours = |pair: &&[u8]| self.value_of(pair).is_some();
        let has_ours = |value: &HeaderValue| pairs(value.as_bytes()).any(|pair| is_ours(&pair));
        if !headers.get_all(COOKIE).iter().any(has_ours) {
            return;
        }
        let Entry::Occupied(cookies) = headers.entry(COOKIE) else { return };
        let (name, values) = cookies.remove_entry_mult();
        let kept: Vec<HeaderValue> = values
            .filter_map(|value| {
                let others: Vec<_> =
                    pairs(value.as_bytes()).filter(|pair| !is_ours(pair)).collect();
                let mut kept = HeaderValue::from_bytes(&others.join(&b';')).ok()?;
                kept.set_sensitive(value.is_sensitive());
                (!kept.is_empty()).then_some(kept)
            })
            .collect();
        for value in kept {
            headers.append(name.clone(), value);
        }
    }

    fn value_of<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let rest = pair.trim_ascii_start().strip_prefix(self.name.as_bytes())?;
        Some(rest.strip_prefix(b"=")?.trim_ascii_end())
    }
}

/// Splits a `Cookie` header at its semicolons.
pub(crate) fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = memchr::memchr(b';', line);
        rest = end.and_then(|end| line.get(end + 1..));
        line.get(..end.unwrap_or(line.len()))
    })
}

/// Returns a value's digest, if the value is well-formed (S5).
fn candidate(value: &[u8], legacy: Option<&LegacyFormat>) -> Option<Candidate> {
    let value = Some(value).filter(|value| value.len() <= MAX_VALUE_BYTES)?;
    let value = std::str::from_utf8(value).ok()?;
    if let Some(digest) = SessionSecret::digest_of(value) {
        let is_legacy = legacy.is_some_and(|format| format.leads_to(value, &digest));
        return Some(Candidate { digest, is_issued_form: true, is_legacy });
    }
    let format = legacy.filter(|_| !value.is_empty() && value.is_ascii())?;
    let digest = format.digest_of(value)?;
    Some(Candidate { digest, is_issued_form: false, is_legacy: true })
}
