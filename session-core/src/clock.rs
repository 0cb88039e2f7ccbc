//! Injected time: wall time, monotonic time and sleep that agree with each other.

use std::fmt;
use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// A future that completes after a span of time.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A moment on the wall clock, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Arithmetic saturates: no value panics. Displayed, and serialized, as RFC 3339 in UTC.
///
/// ```
/// use session_core::Timestamp;
/// use std::time::Duration;
///
/// let login = Timestamp::from_millis(1_000);
/// let later = login + Duration::from_secs(2);
/// assert_eq!(later.to_string(), "1970-01-01T00:00:03.000Z");
/// assert_eq!(later.as_millis(), 3_000);
/// assert_eq!(later.since(login), Duration::from_secs(2));
/// assert_eq!(login.since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Creates the moment `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns how much later this is than `earlier`; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beyond = if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        let moment = DateTime::from_timestamp_millis(self.0).unwrap_or(beyond);
        f.write_str(&moment.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<Timestamp> for SystemTime {
    /// Converts to the standard library's type; a moment before 1970 becomes its beginning.
    fn from(moment: Timestamp) -> Self {
        UNIX_EPOCH + moment.since(Timestamp::default())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// Returns the milliseconds of a span as the databases store them, saturating.
pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The only source of time in these crates.
///
/// The three methods belong together: a fake must drive all of them, and a real clock must never be
/// combined with a faked sleep.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the wall clock's time, which is stored and compared with times of other nodes.
    fn now(&self) -> Timestamp;

    /// Returns the time since an arbitrary origin, for measuring how long something took. It never
    /// goes back.
    fn monotonic(&self) -> Duration;

    /// Returns both times of one moment, for what needs both at each request.
    fn now_and_monotonic(&self) -> (Timestamp, Duration) {
        (self.now(), self.monotonic())
    }

    /// Returns a future that completes when `span` has passed in monotonic time.
    fn sleep(&self, span: Duration) -> Sleep;
}

/// The machine's clock with tokio's timer.
pub struct SystemClock {
    origin: std::time::Instant,
    anchor: Anchor,
}

/// By how many milliseconds the wall clock is ahead of the monotonic one, and when that was read.
struct Anchor {
    ahead: AtomicI64,
    read_at: AtomicI64,
}

/// For how long an anchor is believed: a wall clock that is set is noticed within this time.
const MAX_ANCHOR_AGE: i64 = 100;

impl SystemClock {
    /// Creates a clock whose monotonic time counts from now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "all other code is given this clock")]
    pub fn new() -> Self {
        let anchor = Anchor { ahead: AtomicI64::new(0), read_at: AtomicI64::new(i64::MIN) };
        Self { origin: std::time::Instant::now(), anchor }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemClock")
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "all other code is given this clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(millis(since_epoch))
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Reads one clock of the machine, and the other one every tenth of a second.
    fn now_and_monotonic(&self) -> (Timestamp, Duration) {
        let monotonic = self.monotonic();
        let elapsed = millis(monotonic);
        let age = elapsed.saturating_sub(self.anchor.read_at.load(Ordering::Acquire));
        if age < MAX_ANCHOR_AGE {
            let ahead = self.anchor.ahead.load(Ordering::Relaxed);
            return (Timestamp(elapsed.saturating_add(ahead)), monotonic);
        }
        let now = self.now();
        self.anchor.ahead.store(now.0.saturating_sub(elapsed), Ordering::Relaxed);
        self.anchor.read_at.store(elapsed, Ordering::Release);
        (now, monotonic)
    }

    fn sleep(&self, span: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(span))
    }
}
