//! The command against each database, beside a service that runs.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use session_core::manager::{Resolution, SignIn, SignedIn};
use session_core::provider::RevocationScope;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::{ScriptedProvider, sample};
use session_core::{EndReason, Keyring, SessionManager, SessionPolicy, SessionStore};
use session_tests::database::Migrated;
use session_tests::on_every_database;

const OLD: &str = "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "new:HxwdHhsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";
const OTHER: &str = "old:Dw4NDAsKCQgHBgUEAwIBAB8eHRwbGhkYFxYVFBMSERA=";

/// A service on a database, with the old key.
struct Service {
    url: String,
    manager: SessionManager,
    provider: ScriptedProvider,
}

impl Service {
    async fn new(database: &Migrated) -> Self {
        let store: Arc<dyn SessionStore> =
            Arc::new(SeaOrmStore::connect(database.url()).await.unwrap());
        let provider = ScriptedProvider::new().with_revocation_scope(RevocationScope::Token);
        let keys = Keyring::parse(&format!("{OLD},{NEW}")).unwrap();
        let policy = SessionPolicy::builder().min_renewal_interval(Duration::ZERO).build().unwrap();
        let manager = SessionManager::builder(store).policy(policy).keyring(keys);
        let manager = manager.provider("*", provider.clone());
        let manager = manager.start().await.unwrap();
        Self { url: database.url().to_owned(), manager, provider }
    }

    async fn sign_in(&self, user: &str) -> SignedIn {
        let (user, okta) = (sample::user(user), sample::provider("okta"));
        self.manager.sign_in(SignIn::new(&user, &okta, self.provider.sign_in())).await.unwrap()
    }

    fn command(&self, keys: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sessions"));
        command
            .arg("--json")
            .args(arguments)
            .env("DATABASE_URL", &self.url)
            .env("SESSION_KEYS", keys);
        command
    }

    fn run(&self, keys: &str, arguments: &[&str]) -> (Option<i32>, Value) {
        let Output { status, stdout, stderr } = self.command(keys, arguments).output().unwrap();
        let printed = String::from_utf8(stdout).unwrap();
        let logged = String::from_utf8(stderr).unwrap();
        assert!(!printed.contains("AAECAw") && !logged.contains("AAECAw"), "{printed}{logged}");
        let json = serde_json::from_str(&printed);
        (status.code(), json.unwrap_or_else(|_| panic!("{arguments:?}: {printed}{logged}")))
    }

    fn succeeds(&self, arguments: &[&str]) -> Value {
        let (code, json) = self.run(OLD, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {json}");
        json
    }
}

/// How many sessions are resealed: few on each run, a million where the variable says so.
fn count() -> usize {
    std::env::var("SESSION_TEST_RESEALED").map_or(600, |count| count.parse().unwrap())
}

on_every_database! {
    async fn an_operator_lists_and_ends_sessions(database: Migrated) {
        let service = Service::new(&database).await;
        let (laptop, phone) = (service.sign_in("ann").await, service.sign_in("ann").await);
        let bob = service.sign_in("bob").await;
        let listed = service.succeeds(&["list", "ann"]);
        assert_eq!(listed["sessions"].as_array().unwrap().len(), 2);
        assert!(!listed.to_string().contains("at-"), "no token is listed: {listed}");

        let id = laptop.session.id.to_string();
        let (code, refused) = service.run(OLD, &["end", "bob", &id]);
        assert_eq!(code, Some(1), "it is another user's: {refused}");
        service.succeeds(&["end", "ann", &id, "--actor", "alice@ops"]);
        let ended = service.manager.resolve(&laptop.secret.digest(), None).await.unwrap();
        let Resolution::Ended { ended, .. } = ended else { panic!("{ended:?}") };
        assert_eq!(ended.reason, EndReason::RevokedByAdmin);
        assert_eq!(service.succeeds(&["end-all", "ann", "--of", "github"])["ended"], 0);
        assert_eq!(service.succeeds(&["end-all", "ann"])["ended"], 1);

        let history = service.succeeds(&["history", "ann"]);
        let (phone_id, actor) = (phone.session.id.to_string(), |event: &Value| {
            (event["session"].clone(), event["kind"].clone(), event["actor"].clone())
        });
        let by = |session: &str, kind: &str, by: Value| (session.into(), kind.into(), by);
        let events: Vec<_> = history["events"].as_array().unwrap().iter().map(actor).collect();
        let of_system = whoami::username().map_or(Value::Null, Value::from);
        assert_eq!(events[0], by(&phone_id, "ended", of_system), "{history}");
        assert_eq!(events[1], by(&id, "ended", "alice@ops".into()), "{history}");
        assert!(events[2..].iter().all(|(_, _, actor)| actor.is_null()), "{history}");
        assert_eq!(events.len(), 4, "of this user alone: {history}");
        let newest = service.succeeds(&["history", "ann", "--limit", "1"]);
        assert_eq!(newest["events"].as_array().unwrap()[0], history["events"][0]);

        let stats = service.succeeds(&["stats"]);
        assert_eq!(stats["live"]["okta"], 1);
        assert_eq!(stats["ended"]["revoked_by_admin"], 2);
        assert_eq!(
            (&stats["sealing_keys"]["old"], &stats["revocations"]["pending"]),
            (&3.into(), &2.into())
        );
        assert_eq!(service.succeeds(&["purge", "--older-than", "1"])["sessions"], 0);
        for device in [&phone, &bob] {
            service.manager.resolve(&device.secret.digest(), None).await.unwrap();
        }
    }

    async fn what_is_wrong_is_found_and_nothing_is_changed(database: Migrated) {
        let service = Service::new(&database).await;
        service.sign_in("ann").await;
        let check = |keys: &str, name: &str| {
            let (code, json) = service.run(keys, &["doctor"]);
            let checks = json["checks"].as_array().unwrap().clone();
            let found = checks.into_iter().find(|check| check["check"] == name).unwrap();
            (code, found["is_well"].as_bool().unwrap(), found["message"].as_str().unwrap().to_owned())
        };
        let (code, is_well, message) = check(OLD, "maintenance");
        assert_eq!((code, is_well), (Some(1), false), "{message}");
        assert!(check(OLD, "schema").1 && check(OLD, "sealing keys").1);
        let (_, is_well, message) = check(NEW, "sealing keys");
        assert!(!is_well && message.contains("need the key old"), "{message}");
        let (_, is_well, message) = check(OTHER, "sealing keys");
        assert!(!is_well && message.contains("is not the one"), "{message}");
        let (_, is_well, message) = check(&format!("{NEW},{OLD}"), "sealing keys");
        assert!(is_well && message.contains("sessions reseal"), "{message}");
        let (code, json) = service.run(OLD, &["revoke"]);
        assert_eq!(code, Some(1), "it could revoke nothing: {json}");
        // With a wrong key no command begins.
        for task in [&["reseal"][..], &["end-all", "ann"], &["stats"]] {
            let (code, json) = service.run(OTHER, task);
            assert_eq!(code, Some(1), "{task:?}: {json}");
        }
        assert_eq!(service.succeeds(&["stats"])["live"]["okta"], 1);
    }

    async fn everything_is_sealed_with_a_new_key_while_the_service_runs(database: Migrated) {
        let service = Arc::new(Service::new(&database).await);
        let (count, mut devices) = (count(), Vec::new());
        for number in 0..count {
            let device = service.sign_in(&format!("user-{number}")).await;
            if number % (count / 50) == 0 {
                devices.push(device);
            }
        }
        let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let requests = {
            let (service, is_over) = (Arc::clone(&service), Arc::clone(&is_over));
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    for device in &devices {
                        let found =
                            service.manager.resolve(&device.secret.digest(), None).await.unwrap();
                        assert!(matches!(found, Resolution::Live(_)), "{found:?}");
                        let (user, id) = (&device.session.user, device.session.id);
                        // Renews, so that rows change while they are resealed.
                        let old = service.manager.access_token(user, id).await.unwrap();
                        let old = old.access_token();
                        let renewed = service.manager.access_token_after_rejection(user, id, old);
                        renewed.await.unwrap();
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        };
        let keys = format!("{NEW},{OLD}");
        let mut child = service.command(&keys, &["reseal"]).stdout(Stdio::null()).spawn().unwrap();
        let new = || service.run(&keys, &["stats"]).1["sealing_keys"]["new"].as_u64().unwrap_or(0);
        while new() == 0 && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // The service seals with the old key still, which is said.
        let (code, report) = service.run(&keys, &["reseal"]);
        assert_eq!(&report["unreadable"], &0, "{report}");
        assert_eq!(code == Some(0), report["left"] == 0, "{report}");
        is_over.store(true, Ordering::Relaxed);
        requests.await.unwrap();
        assert!(answered.load(Ordering::Relaxed) > 0);
        let (code, _) = service.run(&keys, &["reseal"]);
        assert_eq!(code, Some(0));
        let stats = service.run(NEW, &["stats"]).1;
        assert_eq!(stats["sealing_keys"], serde_json::json!({ "new": count }));
    }
}
