//! Resolved sessions in memory, bounded; the only file that names moka.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moka::sync::Cache;
use session_core::SecretDigest;
use session_core::manager::{CacheInvalidation, LiveSession};

/// How many generations are counted apart. Digests that share one make each other read again when
/// a session ends or changes while another one's row is being read, and nothing worse.
const SHARDS: usize = 1024;

/// Live sessions by the digest that found them.
///
/// moka alone would let a row that was read before an end be filled in after it (F15). So each
/// fill needs a [`Ticket`] from before its reading, and `forget` voids the tickets of its shard.
/// A hit takes none of these locks.
pub(crate) struct SessionCache {
    entries: Cache<SecretDigest, Arc<LiveSession>, DigestState>,
    generations: Box<[Mutex<u64>]>,
}

/// From before a row was read: what was read may be filled in if nothing was forgotten since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    generation: u64,
}

/// What was read is older than what this process knows by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overtaken;

impl SessionCache {
    pub(crate) fn new(capacity: u64) -> Self {
        let entries = Cache::builder().max_capacity(capacity).build_with_hasher(DigestState);
        let generations = (0..SHARDS).map(|_| Mutex::new(0)).collect();
        Self { entries, generations }
    }

    pub(crate) fn hit(&self, digest: &SecretDigest) -> Option<Arc<LiveSession>> {
        self.entries.get(digest)
    }

    pub(crate) fn ticket(&self, digest: &SecretDigest) -> Ticket {
        Ticket { generation: *self.generation(digest) }
    }

    /// Keeps what was read, unless it was overtaken. The shard's lock is held over the check and
    /// the insert, so that `forget` comes either before the check or after the insert.
    pub(crate) fn fill(
        &self,
        digest: SecretDigest,
        ticket: Ticket,
        live: &Arc<LiveSession>,
    ) -> Result<(), Overtaken> {
        let generation = self.generation(&digest);
        let revision = live.session().revision;
        let is_newer = |known: Arc<LiveSession>| known.session().revision > revision;
        if *generation != ticket.generation || self.entries.get(&digest).is_some_and(is_newer) {
            return Err(Overtaken);
        }
        self.entries.insert(digest, Arc::clone(live));
        drop(generation);
        Ok(())
    }

    fn generation(&self, digest: &SecretDigest) -> MutexGuard<'_, u64> {
        let [first, second, ..] = digest.as_bytes();
        let index = usize::from(u16::from_le_bytes([*first, *second])) % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "a remainder of the length is below it")]
        let generation = &self.generations[index];
        generation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheInvalidation for SessionCache {
    fn forget(&self, digests: &mut dyn Iterator<Item = SecretDigest>) {
        for digest in digests {
            let mut generation = self.generation(&digest);
            *generation = generation.wrapping_add(1);
            self.entries.invalidate(&digest);
        }
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.entry_count();
        f.debug_struct("SessionCache").field("entries", &entries).finish_non_exhaustive()
    }
}

/// A digest is uniform already: its first eight bytes are its hash.
#[derive(Clone, Copy, Default)]
struct DigestState;

#[derive(Default)]
struct DigestHasher(u64);

impl BuildHasher for DigestState {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher::default()
    }
}

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length that stands before the bytes is always the same.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
