//! The result of a comparison of both sides: counts, differences and a digest.

use session_core::{Timestamp, TokenSet};
use sha2::{Digest, Sha256};

use super::examine::{Examined, Outcome, RowState};
use crate::target::{ASSUMED_LIFETIME, ExistingRow, TargetRow, hex};

/// How many differences are kept, to be shown.
const MAX_SHOWN: usize = 20;

/// Counts over all rows, and a digest of what the target holds.
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
    /// Rows of the source that the target holds in `login_session`, and in quarantine.
    pub(crate) found_live: u64,
    pub(crate) found_quarantined: u64,
    /// The first differences: the row's id in the target, and how it differs.
    pub(crate) differences: Vec<(String, &'static str)>,
    sum: DigestSum,
}

impl Findings {
    /// Adds an examined row.
    pub(crate) fn add(&mut self, examined: &Examined) {
        self.source_rows += 1;
        self.orphans += u64::from(examined.row.is_orphan);
        match examined.state {
            RowState::Live => self.live += 1,
            RowState::Pruned => self.pruned += 1,
            RowState::Unreadable => self.unreadable += 1,
            RowState::Empty => self.empty += 1,
        }
        match examined.outcome {
            Outcome::Same => {}
            Outcome::Changed => self.changed += 1,
            Outcome::Differs(how) => self.differs(examined.id.to_string(), how),
        }
        match &examined.existing {
            None => {}
            Some(ExistingRow::Live(row)) => {
                self.found_live += 1;
                self.sum.add(live_digest(row, examined.opened.as_ref()));
            }
            Some(ExistingRow::Quarantined(entry)) => {
                self.found_quarantined += 1;
                let id = entry.id.as_uuid();
                self.sum.add(hash(&[Some(id.as_bytes()), Some(entry.state.as_bytes())]));
            }
        }
    }

    /// Returns how many rows of the target belong to the rows that were examined.
    pub(crate) const fn found(&self) -> u64 {
        self.found_live + self.found_quarantined
    }

    /// Adds a difference.
    pub(crate) fn differs(&mut self, id: String, how: &'static str) {
        self.mismatches += 1;
        if self.differences.len() < MAX_SHOWN {
            self.differences.push((id, how));
        }
    }

    /// Returns a digest over id, cookie digest, user, provider, times and the SHA-256 of the opened
    /// tokens of every row. The order of the rows does not matter.
    pub(crate) fn result_digest(&self) -> String {
        let count = self.found().to_be_bytes();
        hex(&hash(&[Some(&count), Some(&self.sum.bytes())]))
    }
}

fn live_digest(row: &TargetRow, tokens: Option<&TokenSet>) -> [u8; 32] {
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

/// Returns the expiry that the source gave. An assumed expiry counts from the import, which differs
/// between two runs.
fn known_expiry(tokens: &TokenSet) -> Option<Timestamp> {
    let expires_at = tokens.expires_at()?;
    let is_assumed = expires_at.since(tokens.received_at()) == ASSUMED_LIFETIME;
    (!is_assumed).then_some(expires_at)
}

/// Returns the SHA-256 of parts that may be missing; different lists of parts hash different bytes.
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

/// The sum of digests modulo 2^256, which does not depend on their order.
#[derive(Debug, Default)]
struct DigestSum([u64; 4]);

impl DigestSum {
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
    use super::DigestSum;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_sum_depends_on_each_digest_but_not_on_their_order(
            mut digests in proptest::collection::vec(any::<[u8; 32]>(), 1..8),
        ) {
            let sum = |digests: &[[u8; 32]]| {
                let mut sum = DigestSum::default();
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
