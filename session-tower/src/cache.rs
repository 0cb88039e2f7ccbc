//! Live sessions in memory, bounded; the only file that names quick_cache.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use session_core::UserId;
use session_core::manager::{LiveSession, ManagerError, Resolution};
use session_core::middleware::{CacheInvalidation, CacheMetrics, LiveSessionExt as _};
use session_core::session::SecretDigest;
use session_core::store::{StoreError, StoreErrorKind};

use crate::flights::{Flight, Flights, Read};

/// The number of generations. Digests that share one cause each other to be read again when a
/// session ends or changes while another one's row is being read; that is the only effect.
const SHARDS: usize = 1024;

/// How long an entry is kept after it may no longer be served: it spares its digest's next reading
/// the opening of the tokens.
const STALE_RETENTION: Duration = Duration::from_secs(60);

/// By how much a reading may be behind one before it, from a replica or another node of a cluster.
const MAX_LAG: Duration = Duration::from_secs(5);

/// How often the entries that are kept no longer are dropped.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// About how many bytes of memory a session takes, to lay out the cache's shards.
const TYPICAL_WEIGHT: u64 = 4 * 1024;

/// How often a row is read again after an end or a change overtook its reading.
const MAX_READS: u32 = 8;

/// Live sessions by the digest that found them.
///
/// A cache alone would accept a row that was read before an end and arrives after it (F15). So a row
/// is kept only if the generation of its shard is still the one from before it was read, and
/// `forget` advances the generation. A hit takes none of these locks.
pub(crate) struct SessionCache {
    entries: Cache<Key, Arc<LiveSession>, ByMemory, KeyState>,
    generations: Box<[Mutex<u64>]>,
    flights: Flights,
    metrics: CacheMetrics,
    /// How long after a reading its entry is dropped.
    time_to_live: Duration,
    /// How long after a reading its revision counts against that of a later one.
    distrusted_after: Duration,
    /// When entries were last dropped, in the manager's monotonic time.
    swept_at: Mutex<Duration>,
}

impl SessionCache {
    /// Creates a cache of sessions that take about `max_bytes` of memory at most.
    pub(crate) fn new(max_bytes: u64, max_staleness: Duration, metrics: CacheMetrics) -> Self {
        let capacity = usize::try_from(max_bytes / TYPICAL_WEIGHT).unwrap_or(usize::MAX);
        let lifecycle = DefaultLifecycle::default();
        Self {
            entries: Cache::with(capacity, max_bytes, ByMemory, KeyState, lifecycle),
            generations: (0..SHARDS).map(|_| Mutex::new(0)).collect(),
            flights: Flights::default(),
            metrics,
            time_to_live: max_staleness.saturating_add(STALE_RETENTION),
            distrusted_after: max_staleness.max(MAX_LAG),
            swept_at: Mutex::default(),
        }
    }

    /// Returns the entry of a digest, whether or not it may still be served.
    pub(crate) fn get(&self, digest: &SecretDigest) -> Option<Arc<LiveSession>> {
        self.entries.get(&Key::from(digest))
    }

    /// Counts a request that was answered from the cache.
    pub(crate) fn count_hit(&self) {
        self.metrics.hit();
    }

    /// Returns what `from_entry` makes of the digest's entry, or else what `read` finds in the
    /// store. `read` gets the entry that may no longer be served. A live session that it finds is
    /// kept; if an end or a change overtook the reading, the digest is looked up again.
    ///
    /// # Errors
    ///
    /// Returns the error of `read`, or that the row is contended if every reading was overtaken.
    pub(crate) async fn read_through<Reading>(
        &self,
        digest: &SecretDigest,
        from_entry: impl Fn(&Arc<LiveSession>) -> Option<Resolution>,
        read: impl Fn(Option<Arc<LiveSession>>) -> Reading,
    ) -> Result<Resolution, ManagerError>
    where
        Reading: Future<Output = Result<Resolution, ManagerError>>,
    {
        for _ in 0..MAX_READS {
            let known = self.get(digest);
            if let Some(resolution) = known.as_ref().and_then(&from_entry) {
                return Ok(resolution);
            }
            self.metrics.miss();
            let generation = *self.generation(digest);
            let resolution = read(known).await?;
            match &resolution {
                Resolution::Live(live) if !self.fill(digest, generation, live) => {
                    self.metrics.overtaken();
                }
                _ => return Ok(resolution),
            }
        }
        Err(StoreError::new(StoreErrorKind::Contended).into())
    }

    /// Waits for this reading of a digest's row, or for one that is in progress already.
    pub(crate) async fn shared_read(
        &self,
        digest: &SecretDigest,
        user: Option<UserId>,
        read: impl Future<Output = Read> + Send + 'static,
    ) -> Read {
        let generation = *self.generation(digest);
        self.flights.join(Flight::new(digest, user, generation), read).await
    }

    /// Keeps what was read, unless it was overtaken. The shard's lock is held over the check and
    /// the insert, so that `forget` comes either before the check or after the insert.
    fn fill(&self, digest: &SecretDigest, read_in: u64, live: &Arc<LiveSession>) -> bool {
        let generation = self.generation(digest);
        let key = Key::from(digest);
        // A database that was set back, by a failover or a backup, has lower revisions for good.
        let is_newer = |known: Arc<LiveSession>| {
            known.session().revision > live.session().revision
                && live.read_at().saturating_sub(known.read_at()) < self.distrusted_after
        };
        let is_current = *generation == read_in && !self.entries.get(&key).is_some_and(is_newer);
        if is_current {
            self.entries.insert(key, Arc::clone(live));
        }
        drop(generation);
        self.sweep(live.read_at());
        is_current
    }

    /// Drops the entries that were read too long ago, so that unused tokens do not stay in memory
    /// until others need their place. The manager decides by its clock whether an entry may be
    /// served; this only bounds how long it is kept.
    fn sweep(&self, now: Duration) {
        let is_due = {
            let mut swept_at = self.swept_at.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = now.saturating_sub(*swept_at) >= SWEEP_INTERVAL;
            if is_due {
                *swept_at = now;
            }
            is_due
        };
        if is_due {
            self.entries.retain(|_, live| now.saturating_sub(live.read_at()) < self.time_to_live);
        }
    }

    fn generation(&self, digest: &SecretDigest) -> MutexGuard<'_, u64> {
        let [first, second, ..] = digest.as_bytes();
        let index = usize::from(u16::from_le_bytes([*first, *second])) % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "the remainder is less than the length")]
        let generation = &self.generations[index];
        generation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheInvalidation for SessionCache {
    fn forget(&self, digests: &mut dyn Iterator<Item = SecretDigest>) {
        for digest in digests {
            let mut generation = self.generation(&digest);
            *generation = generation.wrapping_add(1);
            self.entries.remove(&Key::from(&digest));
        }
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.len();
        f.debug_struct("SessionCache").field("entries", &entries).finish_non_exhaustive()
    }
}

/// Bounds the cache by the memory that its sessions take.
#[derive(Clone, Copy)]
struct ByMemory;

impl Weighter<Key, Arc<LiveSession>> for ByMemory {
    fn weight(&self, _: &Key, live: &Arc<LiveSession>) -> u64 {
        u64::try_from(live.memory()).unwrap_or(u64::MAX)
    }
}

/// A digest as the cache's key. It is not compared in constant time: a digest cannot be guessed bit
/// by bit, because only the secret is presented.
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
