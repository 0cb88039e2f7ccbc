//! Resolved sessions in memory, bounded; the only file that names moka.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use session_core::SecretDigest;
use session_core::manager::LiveSession;
use session_core::middleware::CacheInvalidation;

/// How many generations are counted apart. Digests that share one make each other read again when
/// a session ends or changes while another one's row is being read, and nothing worse.
const SHARDS: usize = 1024;

/// For how long an entry that may not be served any more is kept.
const LEFT_OVER: Duration = Duration::from_secs(60);

/// moka refuses absurd spans.
const LONGEST_STALENESS: Duration = Duration::from_secs(24 * 60 * 60);

/// Live sessions by the digest that found them.
///
/// moka alone would let a row that was read before an end be filled in after it (F15). So each
/// fill needs a [`Ticket`] from before its reading, and `forget` voids the tickets of its shard.
/// A hit takes none of these locks.
pub(crate) struct SessionCache {
    entries: Cache<Key, Arc<LiveSession>, KeyState>,
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
    /// A cache of at most `capacity` sessions.
    pub(crate) fn new(capacity: u64, max_staleness: Duration) -> Self {
        // Who was here last is likely to be here next; how often tells nothing of a browser.
        let entries = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::lru())
            // Bounds for how long tokens that nobody asks for stay in memory, and nothing else:
            // whether an entry may be served is the manager's word, by its clock.
            .time_to_live(max_staleness.min(LONGEST_STALENESS) + LEFT_OVER)
            .build_with_hasher(KeyState);
        let generations = (0..SHARDS).map(|_| Mutex::new(0)).collect();
        Self { entries, generations }
    }

    pub(crate) fn hit(&self, digest: &SecretDigest) -> Option<Arc<LiveSession>> {
        self.entries.get(&Key::from(digest))
    }

    pub(crate) fn ticket(&self, digest: &SecretDigest) -> Ticket {
        Ticket { generation: *self.generation(digest) }
    }

    /// Keeps what was read, unless it was overtaken. The shard's lock is held over the check and
    /// the insert, so that `forget` comes either before the check or after the insert.
    pub(crate) fn fill(
        &self,
        digest: &SecretDigest,
        ticket: Ticket,
        live: &Arc<LiveSession>,
    ) -> Result<(), Overtaken> {
        let generation = self.generation(digest);
        let revision = live.session().revision;
        let key = Key::from(digest);
        let is_newer = |known: Arc<LiveSession>| known.session().revision > revision;
        if *generation != ticket.generation || self.entries.get(&key).is_some_and(is_newer) {
            return Err(Overtaken);
        }
        self.entries.insert(key, Arc::clone(live));
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
            self.entries.invalidate(&Key::from(&digest));
        }
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.entry_count();
        f.debug_struct("SessionCache").field("entries", &entries).finish_non_exhaustive()
    }
}

/// A digest as the cache's key: compared in plain time, for only the store's lookup must not tell
/// how much of a guess was right, and a digest cannot be guessed bit by bit.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key([u8; 32]);

impl From<&SecretDigest> for Key {
    fn from(digest: &SecretDigest) -> Self {
        Self(*digest.as_bytes())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// A digest is uniform already: its first eight bytes are its hash.
#[derive(Clone, Copy, Default)]
struct KeyState;

#[derive(Default)]
struct KeyHasher(u64);

impl BuildHasher for KeyState {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher::default()
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
