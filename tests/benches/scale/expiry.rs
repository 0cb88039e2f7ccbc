//! The latency of requests while very many sessions time out, and while they are deleted.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use session_core::clock::Clock as _;
use session_core::manager::Resolution;
use session_core::testing::sample;
use session_tests::database::Kind;

use crate::fill::Filling;
use crate::site::{FILLED, Probe, Site, one_connection};

/// How long nothing else happens.
const QUIET: Duration = Duration::from_secs(5);

/// How long after one request the next begins.
const PAUSE: Duration = Duration::from_millis(2);

/// Prints three lines for each database: nothing else happens, a million imported sessions time out in
/// the same minute, and they are deleted after the retention.
pub(crate) async fn print(expired: u64) {
    println!("requests that miss the cache, while {expired} sessions time out and are deleted");
    for kind in Kind::available() {
        let mut site = Site::new(kind).await;
        let probes = site.with_expiring(expired).await;
        let quiet = site.serve_while(&probes, tokio::time::sleep(QUIET)).await;
        println!("{}", line(kind, "quiet", &quiet));
        for what in ["timing out", "deleting"] {
            site.clock.advance(Duration::from_secs(401 * 24 * 3600));
            let manager = site.manager.clone();
            let purge = tokio::spawn(async move { manager.purge().await.unwrap() });
            let begun = Instant::now();
            let served = site.serve_while(&probes, async { purge.await.unwrap() }).await;
            let rate = expired as f64 / begun.elapsed().as_secs_f64();
            println!("{}, {rate:.0} a second", line(kind, what, &served));
        }
        assert_eq!(site.manager.purge().await.unwrap().sessions, 0, "all were deleted");
    }
}

impl Site {
    /// Adds sessions that were created in the same minute, and returns a few of another provider, which do
    /// not time out.
    async fn with_expiring(&mut self, expired: u64) -> Vec<Probe> {
        let connection = self.database.connect_with(one_connection).await;
        let part = 50_000.min(expired);
        for number in 0..expired / part {
            let filling = Filling {
                first: number * part,
                count: part,
                from: self.clock.now(),
                provider: FILLED,
                with_ended: false,
            };
            filling.write(&connection, self.database.kind()).await;
        }
        connection.close().await.unwrap();
        let mut probes = Vec::new();
        for number in 0..100 {
            probes.push(self.sign_in(&sample::user(&format!("ann-{number}"))).await);
        }
        probes
    }

    /// Sends requests until this future completes; returns how many milliseconds each took.
    async fn serve_while(
        &mut self,
        probes: &[Probe],
        other: impl Future<Output = impl Sized>,
    ) -> Vec<f64> {
        let mut other = pin!(other);
        let mut millis = Vec::new();
        loop {
            let is_over = tokio::time::timeout(PAUSE, &mut other).await.is_ok();
            let probe = &probes[self.choose(probes.len())];
            let started = Instant::now();
            let found = self.manager.resolve(&probe.digest, None).await.unwrap();
            millis.push(started.elapsed().as_secs_f64() * 1_000.0);
            assert!(matches!(found, Resolution::Live(_)));
            if is_over {
                return millis;
            }
        }
    }
}

fn line(kind: Kind, what: &str, millis: &[f64]) -> String {
    let mut sorted = millis.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: usize| sorted[(sorted.len() - 1) * share / 100];
    format!(
        "{:<12} {what:<11} median {:>6.2} ms, 99th percentile {:>7.2} ms, slowest {:>7.2} ms, {} requests",
        kind.to_string(),
        at(50),
        at(99),
        at(100),
        sorted.len()
    )
}
