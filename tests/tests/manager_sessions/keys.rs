//! Sealing keys: checked at the start, changed at run time; unreadable rows are kept (law 10).

use std::sync::Arc;
use std::time::Duration;

use session_core::manager::{
    ManagerErrorKind, Resolution, SignIn, SignedIn, StartError, TokenErrorKind,
};
use session_core::store::memory::MemoryStore;
use session_core::store::{KeyRotation as _, Reseal, SessionLookup as _};
use session_core::testing::{FakeClock, ScriptedProvider, sample};
use session_core::{Keyring, SessionManager};
use session_tests::manager::{OKTA, policy, rows_of};

struct Keys {
    store: Arc<MemoryStore>,
    clock: FakeClock,
    provider: ScriptedProvider,
}

fn entry(id: &str) -> String {
    Keyring::generate_entry(id).unwrap().to_string()
}

impl Keys {
    fn new() -> Self {
        let provider = ScriptedProvider::new();
        Self { store: Arc::new(MemoryStore::new()), clock: FakeClock::new(), provider }
    }

    async fn start(&self, entries: &[&String]) -> Result<SessionManager, StartError> {
        let text: Vec<&str> = entries.iter().map(|entry| entry.as_str()).collect();
        SessionManager::builder(self.store.clone())
            .policy(policy().build().unwrap())
            .keyring(Keyring::parse(&text.join(",")).unwrap())
            .clock(self.clock.clone())
            .provider("*", self.provider.clone())
            .start()
            .await
    }

    async fn sign_in(&self, manager: &SessionManager) -> SignedIn {
        let (ann, okta) = (sample::user("ann"), sample::provider(OKTA));
        manager.sign_in(SignIn::new(&ann, &okta, self.provider.sign_in())).await.unwrap()
    }
}

async fn is_live(manager: &SessionManager, device: &SignedIn) -> bool {
    let resolution = manager.resolve(&device.secret.digest(), None).await;
    matches!(resolution.unwrap(), Resolution::Live(_))
}

#[tokio::test]
async fn k3_without_a_keyring_the_manager_does_not_start() {
    let started = SessionManager::builder(MemoryStore::new()).start().await;
    assert!(matches!(started.unwrap_err(), StartError::NoKeyring));
}

#[tokio::test]
async fn f35_a_wrong_key_of_a_known_id_refuses_to_start_and_deletes_nothing() {
    let keys = Keys::new();
    let right = entry("2026");
    let manager = keys.start(&[&right]).await.unwrap();
    let laptop = keys.sign_in(&manager).await;
    let before = keys.store.find(laptop.session.id).await.unwrap();
    let error = keys.start(&[&entry("2026")]).await.unwrap_err();
    assert!(matches!(&error, StartError::WrongKey { key_id, .. } if key_id == "2026"), "{error}");
    assert_eq!(keys.store.find(laptop.session.id).await.unwrap(), before);
    assert!(is_live(&keys.start(&[&right]).await.unwrap(), &laptop).await);
}

#[tokio::test]
async fn law_10_every_configured_key_is_checked_not_only_the_first() {
    let keys = Keys::new();
    let (old, new) = (entry("old"), entry("new"));
    keys.sign_in(&keys.start(&[&old]).await.unwrap()).await;
    let error = keys.start(&[&new, &entry("old")]).await.unwrap_err();
    assert!(matches!(error, StartError::WrongKey { key_id, .. } if key_id == "old"));
}

#[tokio::test]
async fn f35_an_unknown_key_id_starts_and_its_sessions_wait_for_their_key() {
    let keys = Keys::new();
    let (old, new) = (entry("old"), entry("new"));
    let laptop = keys.sign_in(&keys.start(&[&old]).await.unwrap()).await;
    let before = keys.store.find(laptop.session.id).await.unwrap();

    let manager = keys.start(&[&new]).await.unwrap();
    let error = manager.resolve(&laptop.secret.digest(), None).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Unreadable);
    assert!(!error.is_transient());
    let error = manager.access_token(&laptop.session.user, laptop.session.id).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Unreadable);
    assert_eq!(keys.store.find(laptop.session.id).await.unwrap(), before, "the row is kept");
    assert!(is_live(&manager, &keys.sign_in(&manager).await).await, "a new sign-in works");
    let supersedes = SignIn::new(&sample::user("ann"), &sample::provider(OKTA), sample::response())
        .supersedes(Some(laptop.secret.digest()));
    let manager_of_both = keys.start(&[&new, &old]).await.unwrap();
    assert!(is_live(&manager_of_both, &laptop).await, "its key came back");
    assert_eq!(manager.sign_in(supersedes).await.unwrap().ended.len(), 1);
}

#[tokio::test]
async fn k2_swapped_rows_are_unreadable_and_one_changed_row_does_not_stop_the_start() {
    let keys = Keys::new();
    let key = entry("2026");
    let manager = keys.start(&[&key]).await.unwrap();
    let (laptop, phone) = (keys.sign_in(&manager).await, keys.sign_in(&manager).await);
    let third = keys.sign_in(&manager).await;
    let rows = [&laptop, &phone].map(|device| device.session.id);
    let tokens = [
        keys.store.find(rows[0]).await.unwrap().unwrap().tokens.unwrap(),
        keys.store.find(rows[1]).await.unwrap().unwrap().tokens.unwrap(),
    ];
    let [first, second] = tokens;
    let swapped = vec![Reseal::new(rows[0], 1, second), Reseal::new(rows[1], 1, first)];
    assert_eq!(keys.store.reseal(swapped).await.unwrap(), 2);
    let manager = keys.start(&[&key]).await.unwrap();
    for device in [&laptop, &phone] {
        let error = manager.resolve(&device.secret.digest(), None).await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::Unreadable);
    }
    assert!(is_live(&manager, &third).await);
}

#[tokio::test]
async fn k1_after_resealing_the_old_key_can_be_removed() {
    let keys = Keys::new();
    let (old, new) = (entry("old"), entry("new"));
    let manager = keys.start(&[&old]).await.unwrap();
    let mut devices = Vec::new();
    for _ in 0..5 {
        devices.push(keys.sign_in(&manager).await);
    }
    let gone = keys.sign_in(&manager).await;
    manager.sign_out(&gone.session.user, gone.session.id).await.unwrap();

    let manager = keys.start(&[&new, &old]).await.unwrap();
    devices.push(keys.sign_in(&manager).await);
    let revision = keys.store.find(devices[0].session.id).await.unwrap().unwrap().session.revision;
    let done = manager.reseal().await.unwrap();
    assert_eq!((done.resealed, done.overtaken, done.unreadable), (6, 0, 0), "five rows, one token");
    let after = keys.store.find(devices[0].session.id).await.unwrap().unwrap().session.revision;
    assert_eq!(after, revision, "no request sees a difference");
    assert_eq!(manager.reseal().await.unwrap().resealed, 0, "once more finds nothing");

    let manager = keys.start(&[&new]).await.unwrap();
    for device in &devices {
        assert!(is_live(&manager, device).await);
    }
    keys.clock.advance(Duration::from_secs(300));
    let renewed =
        manager.access_token(&devices[0].session.user, devices[0].session.id).await.unwrap();
    assert_eq!(keys.provider.sent(), ["rt-1"], "the refresh token was resealed too");
    assert_eq!(renewed.access_token(), "at-8");
    let outbox = rows_of(keys.store.as_ref()).await;
    assert!(outbox.iter().all(|row| row.refresh_token.key_id() == Some("new")));
}

#[tokio::test]
async fn k1_unreadable_rows_are_counted_and_kept() {
    let keys = Keys::new();
    let (old, new) = (entry("old"), entry("new"));
    let manager = keys.start(&[&old]).await.unwrap();
    let laptop = keys.sign_in(&manager).await;
    let gone = keys.sign_in(&manager).await;
    manager.sign_out(&gone.session.user, gone.session.id).await.unwrap();
    let before = keys.store.find(laptop.session.id).await.unwrap();
    let done = keys.start(&[&new]).await.unwrap().reseal().await.unwrap();
    assert_eq!((done.resealed, done.unreadable), (0, 2));
    assert_eq!(keys.store.find(laptop.session.id).await.unwrap(), before);
}

#[tokio::test]
async fn f12_a_renewal_during_the_resealing_is_not_undone() {
    use session_core::testing::{Fault, FaultyStore, Method};
    let keys = Keys::new();
    let (old, new) = (entry("old"), entry("new"));
    let manager = keys.start(&[&old]).await.unwrap();
    let laptop = keys.sign_in(&manager).await;
    let faulty = FaultyStore::over(keys.store.clone());
    let resealing = SessionManager::builder(Arc::new(faulty.clone()))
        .keyring(Keyring::parse(&format!("{new},{old}")).unwrap())
        .clock(keys.clock.clone())
        .start()
        .await
        .unwrap();
    faulty.set_next(Method::Reseal, Fault::HangBefore);
    let task = tokio::spawn(async move { resealing.reseal().await });
    faulty.until_hanging(Method::Reseal, 1).await;
    manager
        .access_token_after_rejection(&laptop.session.user, laptop.session.id, "at-1")
        .await
        .unwrap();
    faulty.release(Method::Reseal);
    let report = task.await.unwrap().unwrap();
    assert_eq!((report.resealed, report.overtaken), (1, 0), "as it is after the renewal");
    let after = keys.start(&[&new]).await.unwrap();
    let tokens = after.access_token(&laptop.session.user, laptop.session.id).await.unwrap();
    assert_eq!((tokens.access_token(), tokens.refresh_token()), ("at-2", Some("rt-2")));
}
