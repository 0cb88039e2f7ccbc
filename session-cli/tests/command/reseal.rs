//! Sealing everything with a new key, while the service runs and the command is killed.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sea_orm::{EntityTrait as _, Set};
use session_core::clock::{Clock as _, SystemClock};
use session_core::manager::{Resolution, SignedIn};
use session_core::store::sea_orm::entity::session;
use session_core::testing::sample::Login;
use session_core::{Keyring, Timestamp};
use session_tests::database::Migrated;
use session_tests::on_every_database;

use crate::service::{NEW, OLD, Service};

/// How many devices make requests meanwhile.
const DEVICES: usize = 50;

/// How many rows are inserted at a time: fewer values than SQLite has placeholders.
const ROWS: usize = 500;

/// How many sessions are resealed: few on each run, a million where the variable says so.
fn count() -> usize {
    std::env::var("SESSION_TEST_RESEALED").map_or(2_000, |count| count.parse().unwrap())
}

/// Inserts sessions under the old key straight into the table, since a million sign-ins would take
/// longer than what is tested.
async fn seed(database: &Migrated, count: usize) {
    let (keys, now) = (Keyring::parse(OLD).unwrap(), SystemClock::new().now());
    let pool = database.connect().await;
    for first in (0..count).step_by(ROWS) {
        let rows = (first..count.min(first + ROWS)).map(|number| row(&keys, now, number));
        session::Entity::insert_many(rows).exec_without_returning(&pool).await.unwrap();
    }
}

fn row(keys: &Keyring, now: Timestamp, number: usize) -> session::ActiveModel {
    let login = Login::of(&format!("user-{number}"), "okta").at(now);
    let row = session::ActiveModel::try_from(&login.new_session_sealed_by(keys)).unwrap();
    session::ActiveModel { admission: Set(1), ..row }
}

/// Browsers of the service, which make requests until it is over.
struct Browsers {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    requests: tokio::task::JoinHandle<()>,
}

impl Browsers {
    fn start(service: &Arc<Service>, devices: Vec<SignedIn>) -> Self {
        let (service, is_over) = (Arc::clone(service), Arc::new(AtomicBool::new(false)));
        let (answered, until) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&is_over));
        let count = Arc::clone(&answered);
        let requests = tokio::spawn(async move {
            while !until.load(Ordering::Relaxed) {
                for device in &devices {
                    request(&service, device).await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { is_over, answered, requests }
    }

    /// Returns how many requests were answered; none may have failed.
    async fn stop(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.requests.await.unwrap();
        self.answered.load(Ordering::Relaxed)
    }
}

/// A request, and a renewal, so that rows change while they are resealed.
async fn request(service: &Service, device: &SignedIn) {
    let found = service.manager.resolve(&device.secret.digest(), None).await.unwrap();
    assert!(matches!(found, Resolution::Live(_)), "{found:?}");
    let (user, id) = (&device.session.user, device.session.id);
    let old = service.manager.access_token(user, id).await.unwrap();
    let renewed = service.manager.access_token_after_rejection(user, id, old.access_token());
    renewed.await.unwrap();
}

on_every_database! {
    async fn everything_is_sealed_with_a_new_key_while_the_service_runs(database: Migrated) {
        let service = Arc::new(Service::new(&database).await);
        let (count, mut devices) = (count(), Vec::new());
        for number in 0..DEVICES {
            devices.push(service.sign_in(&format!("device-{number}")).await);
        }
        seed(&database, count).await;
        let browsers = Browsers::start(&service, devices);
        let keys = format!("{NEW},{OLD}");
        let clock = SystemClock::new();
        let begun = clock.monotonic();
        let mut child = service.command(&keys, &["reseal"]).stdout(Stdio::null()).spawn().unwrap();
        let new = || service.run(&keys, &["stats"]).1["sealing_keys"]["new"].as_u64().unwrap_or(0);
        while new() < count as u64 / 3 && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(count as u64 / 400)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let at_kill = new();
        // The service seals with the old key still, which is said.
        let (code, report) = service.run(&keys, &["reseal"]);
        assert_eq!(&report["unreadable"], &0, "{report}");
        assert_eq!(code == Some(0), report["left"] == 0, "{report}");
        let (spent, answered) = (clock.monotonic() - begun, browsers.stop().await);
        assert!(answered > 0);
        let (code, _) = service.run(&keys, &["reseal"]);
        assert_eq!(code, Some(0));
        let stats = service.run(NEW, &["stats"]).1;
        let all = count + DEVICES;
        assert_eq!(stats["sealing_keys"], serde_json::json!({ "new": all }));
        println!(
            "{:?}: {all} rows in {:.1} s, {:.0} rows/s, killed at {at_kill}; {answered} requests and \
             renewals meanwhile, none failed",
            database.kind(), spent.as_secs_f64(), all as f64 / spent.as_secs_f64(),
        );
    }
}
