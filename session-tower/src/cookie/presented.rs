//! What a request presents under the cookie's name.

use http::HeaderMap;
use http::header::COOKIE;
use session_core::{SecretDigest, SessionSecret};

use super::{LegacyFormat, SessionCookie};

/// How many values of the name are looked at.
const MOST_VALUES: usize = 4;

/// The longest value that is looked at, in bytes; ours have 43.
const LONGEST_VALUE: usize = 256;

/// The values of the session cookie that a request carries, as digests; no value is kept.
#[derive(Debug, Default)]
pub(crate) struct Presented {
    values: usize,
    /// Well-formed ones, each once; the first stand first.
    candidates: [Option<Candidate>; MOST_VALUES],
}

/// A well-formed value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) digest: SecretDigest,
    /// It has the form of another system's values.
    pub(crate) is_legacy: bool,
}

impl Presented {
    /// Whether the request carries no cookie of the name.
    pub(crate) const fn is_none(&self) -> bool {
        self.values == 0
    }

    /// The only value, if it is well-formed.
    pub(crate) const fn single(&self) -> Option<&Candidate> {
        match (self.values, &self.candidates) {
            (1, [candidate, ..]) => candidate.as_ref(),
            _ => None,
        }
    }

    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().flatten()
    }

    fn add(&mut self, candidate: Option<Candidate>) {
        self.values += 1;
        let Some(candidate) = candidate else { return };
        for place in &mut self.candidates {
            match place {
                Some(known) if known.digest == candidate.digest => return,
                Some(_) => {}
                None => {
                    *place = Some(candidate);
                    return;
                }
            }
        }
    }
}

impl SessionCookie {
    /// What the request presents under exactly this name (C6): a browser takes `__hOsT-session` for
    /// a prefixed cookie, and we take it for none.
    ///
    /// Copies and allocates nothing, and looks at no other cookie's value.
    pub(crate) fn presented(&self, headers: &HeaderMap) -> Presented {
        let mut presented = Presented::default();
        for header in headers.get_all(COOKIE) {
            for pair in pairs(header.as_bytes()) {
                let Some(value) = self.value_of(pair) else { continue };
                presented.add(candidate(value, self.legacy));
                if presented.values == MOST_VALUES {
                    return presented;
                }
            }
        }
        presented
    }

    fn value_of<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let rest = pair.trim_ascii_start().strip_prefix(self.name.as_bytes())?;
        Some(rest.strip_prefix(b"=")?.trim_ascii_end())
    }
}

/// The pairs of a `Cookie` header, parted by semicolons.
fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = memchr::memchr(b';', line);
        rest = end.and_then(|end| line.get(end + 1..));
        line.get(..end.unwrap_or(line.len()))
    })
}

/// A value's digest, if the value is well-formed (S5).
fn candidate(value: &[u8], legacy: Option<LegacyFormat>) -> Option<Candidate> {
    let value = Some(value).filter(|value| value.len() <= LONGEST_VALUE)?;
    let value = std::str::from_utf8(value).ok()?;
    if let Some(digest) = SessionSecret::digest_of(value) {
        return Some(Candidate { digest, is_legacy: false });
    }
    let is_text = !value.is_empty() && value.is_ascii();
    let is_legacy = is_text && legacy.is_some_and(|format| format.fits(value));
    is_legacy.then(|| Candidate { digest: SecretDigest::of(value), is_legacy })
}
