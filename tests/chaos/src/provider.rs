//! The identity provider of a run, with rotation and reuse detection.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use identity_provider::{Control, IdentityProvider, RenewalOutcome as Seen, RunningProvider};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::error::BenchError;
use crate::history::{HistoryWriter, Record, Renewal, RenewalOutcome};

/// How long an access token is valid: each session is renewed all the time.
pub(crate) const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(4);

/// The clock of a run: the time since its start, and its start for whom a date is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunClock {
    start: Instant,
    epoch_ms: i64,
}

impl RunClock {
    /// Starts the clock.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the date")]
    pub(crate) fn start() -> Self {
        let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch_ms = i64::try_from(since.as_millis()).unwrap_or_default();
        Self { start: Instant::now(), epoch_ms }
    }

    /// Returns the microseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Returns the milliseconds since the epoch, which only move forward.
    pub(crate) fn epoch_ms(&self) -> i64 {
        self.epoch_ms + i64::try_from(self.start.elapsed().as_millis()).unwrap_or_default()
    }

    fn since_start(&self, epoch_ms: i64) -> u64 {
        u64::try_from(epoch_ms - self.epoch_ms).unwrap_or_default() * 1000
    }
}

/// The provider, which records its renewals.
#[derive(Debug)]
pub(crate) struct RunProvider {
    running: RunningProvider,
    clock: RunClock,
}

impl RunProvider {
    /// Starts the provider, which signs in the user named by `login_hint`.
    /// Its access tokens are valid for longer than the clocks of the processes differ, as it has to
    /// be: one whose clock is behind learns of an expiry by a rejection alone, and by few of them.
    pub(crate) async fn start(clock: RunClock, clocks_apart: Duration) -> Result<Self, BenchError> {
        let failed = BenchError::because("the identity provider cannot listen");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(&failed)?;
        let provider = IdentityProvider::builder()
            .access_token_lifetime(ACCESS_TOKEN_LIFETIME + clocks_apart)
            .auto_login(true)
            .clock(move || clock.epoch_ms())
            .configure(|settings| settings.record_renewals = true)
            .build()
            .map_err(BenchError::because("the identity provider cannot be built"))?;
        Ok(Self { running: provider.spawn(listener).map_err(&failed)?, clock })
    }

    /// Returns the address of the provider.
    pub(crate) fn issuer(&self) -> &str {
        self.running.issuer()
    }

    /// Returns the handle that causes faults.
    pub(crate) fn control(&self) -> &Control {
        self.running.control()
    }

    /// Writes the renewals since the last call to the history.
    pub(crate) fn record(&self, history: &Arc<HistoryWriter>) {
        for seen in self.control().take_renewals() {
            let outcome = match seen.outcome {
                Seen::ResponseLost => RenewalOutcome::Lost,
                Seen::Reused => RenewalOutcome::Reused,
                _ => RenewalOutcome::Renewed,
            };
            let at = self.clock.since_start(seen.at);
            history.write(&Record::Renewal(Renewal {
                at,
                sid: seen.sid,
                user: seen.subject,
                outcome,
            }));
        }
    }
}
