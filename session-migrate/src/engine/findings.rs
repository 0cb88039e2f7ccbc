//! What a comparison of both sides has found.

use session_core::{Timestamp, TokenSet};
use sha2::{Digest, Sha256};

use super::examine::{Examined, Outcome, State};
use crate::target::{Standing, TargetRow};

/// So many differences are kept, to be shown.
const MOST_SHOWN: usize = 20;

/// Counts over all rows, and a digest of the result.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) source_rows: u64,
    pub(crate) live: u64,
    pub(crate) pruned: u64,
    pub(crate) unreadable: u64,
    pub(crate) empty: u64,
    pub(crate) orphans: u64,
    pub(crate) changed: u64,
    pub(crate) mismatches: u64,
    /// Rows of the source that stand in `login_session`, and aside.
    pub(crate) found_live: u64,
    pub(crate) found_aside: u64,
    /// The first differences: the row's new id, and how it differs.
    pub(crate) differences: Vec<(String, &'static str)>,
    sum: Sum,
}

impl Findings {
    pub(crate) fn add(&mut self, examined: &Examined) {
        self.source_rows += 1;
        self.orphans += u64::from(examined.row.is_orphan);
        match examined.state {
            State::Live => self.live += 1,
            State::Pruned => self.pruned += 1,
            State::Unreadable => self.unreadable += 1,
            State::Empty => self.empty += 1,
        }
        match examined.outcome {
            Outcome::Same => {}
            Outcome::Changed => self.changed += 1,
            Outcome::Differs(how) => self.differs(examined.id.to_string(), how),
        }
        match &examined.standing {
            None => {}
            Some(Standing::Live(row)) => {
                self.found_live += 1;
                self.sum.add(of_live(row, examined.opened.as_ref()));
            }
            Some(Standing::Aside { id, state, .. }) => {
                self.found_aside += 1;
                let id = id.as_uuid();
                self.sum.add(hash(&[Some(id.as_bytes()), Some(state.as_bytes())]));
            }
        }
    }

    pub(crate) fn differs(&mut self, id: String, how: &'static str) {
        self.mismatches += 1;
        if self.differences.len() < MOST_SHOWN {
            self.differences.push((id, how));
        }
    }

    /// A digest over id, cookie's digest, user, provider, times and the SHA-256 of the opened
    /// tokens of every row, whatever order they come in.
    pub(crate) fn result_digest(&self) -> String {
        let count = (self.found_live + self.found_aside).to_be_bytes();
        crate::target::hex(&hash(&[Some(&count), Some(&self.sum.bytes())]))
    }
}

fn of_live(row: &TargetRow, tokens: Option<&TokenSet>) -> [u8; 32] {
    let moment = |millis: Option<i64>| millis.map(i64::to_be_bytes);
    let expires_at = tokens.and_then(known_expiry).map(Timestamp::as_millis);
    let (created, renewed) = (moment(row.known_age()), moment(row.renewed_at));
    let expires = moment(expires_at);
    let token = |token: Option<&str>| token.map(|token| Sha256::digest(token.as_bytes()));
    let access = token(tokens.map(TokenSet::access_token));
    let refresh = token(tokens.and_then(TokenSet::refresh_token));
    let id_token = token(tokens.and_then(TokenSet::id_token));
    hash(&[
        Some(row.id.as_uuid().as_bytes()),
        row.digest.as_deref(),
        Some(row.user.as_bytes()),
        Some(row.provider.as_bytes()),
        created.as_ref().map(<[u8; 8]>::as_slice),
        renewed.as_ref().map(<[u8; 8]>::as_slice),
        expires.as_ref().map(<[u8; 8]>::as_slice),
        access.as_ref().map(|digest| digest.as_slice()),
        refresh.as_ref().map(|digest| digest.as_slice()),
        id_token.as_ref().map(|digest| digest.as_slice()),
    ])
}

/// The expiry that the source gave: one that was assumed counts from the import, and two runs do
/// not import at one moment.
fn known_expiry(tokens: &TokenSet) -> Option<Timestamp> {
    let expires_at = tokens.expires_at()?;
    let is_assumed = expires_at.since(tokens.received_at()) == crate::target::ASSUMED_LIFETIME;
    (!is_assumed).then_some(expires_at)
}

/// SHA-256 over parts that may be missing, no two lists of which give the same bytes.
fn hash(parts: &[Option<&[u8]>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        match part {
            None => hash.update([0]),
            Some(bytes) => {
                hash.update([1]);
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
        }
    }
    hash.finalize().into()
}

/// A sum of digests, modulo 2^256: the order in which they come does not matter.
#[derive(Debug, Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, digest: [u8; 32]) {
        let mut carry = false;
        let words = digest.as_chunks::<8>().0;
        for (mine, theirs) in self.0.iter_mut().zip(words) {
            let (sum, over) = mine.overflowing_add(u64::from_le_bytes(*theirs));
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            (*mine, carry) = (sum, over || again);
        }
    }

    fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_does_not_matter_and_each_digest_does(
            mut digests in proptest::collection::vec(any::<[u8; 32]>(), 1..8),
        ) {
            let sum = |digests: &[[u8; 32]]| {
                let mut sum = Sum::default();
                digests.iter().for_each(|digest| sum.add(*digest));
                sum.bytes()
            };
            let whole = sum(&digests);
            digests.reverse();
            prop_assert_eq!(whole, sum(&digests));
            digests[0][0] ^= 1;
            prop_assert_ne!(whole, sum(&digests));
        }
    }
}
