//! Digests of the source's keys, by which a later call is held to the keys of the first one.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What the digests are of.
const PURPOSE: &[u8] = b"session-migrate: the source's key";

/// Digests of the source's keys, the current one first, and of those in its own database.
///
/// # Security
///
/// A key can be a passphrase, and its digest serves to guess it: the digests are stored sealed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyPrints {
    keys: Vec<String>,
    data_keys: Vec<String>,
}

impl KeyPrints {
    pub(super) fn of<'a>(
        keys: impl Iterator<Item = &'a [u8]>,
        data_keys: impl Iterator<Item = Vec<u8>>,
    ) -> Self {
        Self {
            keys: keys.map(print).collect(),
            data_keys: data_keys.map(|key| print(&key)).collect(),
        }
    }

    /// Returns whether no key was given.
    pub(crate) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns whether all these keys are among the given ones, and the current one is the same, with
    /// which a rollback encrypts.
    pub(crate) fn are_among(&self, given: &Self) -> bool {
        let has_all =
            |given: &[String], noted: &[String]| noted.iter().all(|key| given.contains(key));
        let is_current = self.keys.is_empty() || self.keys.first() == given.keys.first();
        is_current && has_all(&given.keys, &self.keys) && has_all(&given.data_keys, &self.data_keys)
    }
}

impl std::fmt::Debug for KeyPrints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPrints({}, {})", self.keys.len(), self.data_keys.len())
    }
}

fn print(key: &[u8]) -> String {
    // A MAC takes a key of any length.
    let mac = Hmac::<Sha256>::new_from_slice(key).ok().map(|mut mac| {
        mac.update(PURPOSE);
        mac.finalize().into_bytes()
    });
    mac.into_iter().flatten().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::KeyPrints;

    fn of(keys: &[&str], data_keys: &[&str]) -> KeyPrints {
        KeyPrints::of(
            keys.iter().map(|key| key.as_bytes()),
            data_keys.iter().map(|key| key.as_bytes().to_vec()),
        )
    }

    #[test]
    fn further_keys_do_no_harm_and_missing_ones_do() {
        let noted = of(&["a", "b"], &["d"]);
        for given in [of(&["a", "b"], &["d"]), of(&["a", "c", "b"], &["e", "d"])] {
            assert!(noted.are_among(&given));
        }
        for given in
            [of(&["b", "a"], &["d"]), of(&["a"], &["d"]), of(&[], &["d"]), of(&["a", "b"], &[])]
        {
            assert!(!noted.are_among(&given));
        }
        assert!(of(&[], &[]).are_among(&noted), "a source in plain text needs none");
        assert!(!format!("{noted:?}").contains(&noted.keys[0]));
    }
}
