//! An unavailable or hanging store: requests fail, are never anonymous, and never wait long.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_core::EndReason;
use session_core::manager::{ManagerErrorKind, Resolution};
use session_core::middleware::{CacheInvalidation, SessionManagerExt as _};
use session_core::session::SecretDigest;
use session_core::testing::{Fault, Method, sample};
use session_tests::manager::{LIFETIME, Step, World, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn every_call_reports_an_unavailable_store() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let (ann, id) = (sample::user("ann"), laptop.session.id);
    world.store.set_all(Fault::AWAY);
    let manager = &world.manager;
    let errors = [
        manager.resolve(&laptop.secret.digest(), None).await.err(),
        manager.sign_in(world.login("ann")).await.err(),
        manager.connect(&ann, &sample::provider("mcp:x"), sample::response()).await.err(),
        manager.sign_out(&ann, id).await.err(),
        manager.end_one(&ann, id).await.err(),
        manager.end_others(&ann, id).await.err(),
        manager.end_all(&ann, None, EndReason::RevokedByAdmin).await.err(),
        manager.list(&ann, None).await.err(),
        manager.find_connection(&ann, &sample::provider("mcp:x")).await.err(),
        manager.rotate_secret(&ann, id).await.err(),
        manager.purge().await.err(),
        manager.process_revocations(1).await.err(),
        manager.reseal().await.err(),
    ];
    for error in errors {
        let error = error.unwrap();
        assert_eq!(error.kind(), ManagerErrorKind::Unavailable);
        assert!(error.is_transient() && std::error::Error::source(&error).is_some());
    }
    assert!(manager.access_token(&ann, id).await.unwrap_err().is_transient());
    assert!(
        manager.access_token_after_rejection(&ann, id, "at-1").await.unwrap_err().is_transient()
    );
    world.store.clear_all();
    assert!(matches!(world.resolve(&laptop).await, Resolution::Live(_)));
}

#[tokio::test]
async fn a_hanging_store_counts_as_unavailable_after_its_timeout() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let before = world.clock.clone();
    for method in [Method::FindByDigest, Method::Admit, Method::End, Method::List] {
        world.store.set(method, Fault::HangBefore);
    }
    let started = session_core::clock::Clock::monotonic(&before);
    let (manager, ann) = (&world.manager, sample::user("ann"));
    let digest = laptop.secret.digest();
    let all = async {
        tokio::join!(
            async { manager.resolve(&digest, None).await.err() },
            async { manager.sign_in(world.login("ann")).await.err() },
            async { manager.sign_out(&laptop.session.user, laptop.session.id).await.err() },
            async { manager.list(&ann, None).await.err() },
        )
    };
    let errors = Step::SMALL.drive(&world.clock, all).await;
    for error in [errors.0, errors.1, errors.2, errors.3] {
        assert_eq!(error.unwrap().kind(), ManagerErrorKind::Unavailable);
    }
    let passed = session_core::clock::Clock::monotonic(&world.clock) - started;
    assert!(passed <= SECOND * 6, "{passed:?}");
}

#[tokio::test]
async fn f6_a_touch_or_a_confirmation_that_fails_fails_no_request() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    for method in [Method::Touch, Method::ConfirmRotation, Method::Record, Method::ReleaseLease] {
        world.store.set(method, Fault::AWAY);
    }
    let rotated =
        world.manager.rotate_secret(&laptop.session.user, laptop.session.id).await.unwrap();
    let session_core::manager::Rotation::Rotated { secret, .. } = rotated else { panic!() };
    world.clock.advance(LIFETIME);
    let resolution = world.manager.resolve(&secret.digest(), None).await.unwrap();
    assert!(matches!(resolution, Resolution::Live(_)));
    assert_eq!(world.token(&laptop).await.unwrap(), "at-2");
}

#[tokio::test]
async fn an_end_whose_caller_disconnects_takes_effect_on_this_node() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let live = world.live(&laptop).await;
    world.store.set_next(Method::End, Fault::HangAfter);
    let (manager, id) = (world.manager.clone(), laptop.session.id);
    let ann = laptop.session.user;
    let ending = tokio::spawn(async move { manager.sign_out(&ann, id).await });
    world.store.until_hanging(Method::End, 1).await;
    ending.abort();
    world.store.release(Method::End);
    settle().await;
    assert_eq!(live.ended_signal().reason(), Some(EndReason::SignedOut));
}

#[derive(Debug, Default)]
struct Cache(Mutex<Vec<SecretDigest>>);

impl CacheInvalidation for Cache {
    fn forget(&self, digests: &mut dyn Iterator<Item = SecretDigest>) {
        self.0.lock().unwrap().extend(digests);
    }
}

impl Cache {
    fn takes(&self) -> Vec<SecretDigest> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn f14_caches_are_invalidated_before_the_caller_sees_a_change() {
    let world = World::new().await;
    let cache = Arc::new(Cache::default());
    world.manager.register_cache(&cache);
    let laptop = world.sign_in().await;
    let old = laptop.secret.digest();
    assert_eq!(cache.takes(), [], "a sign-in changes no other session");

    world.clock.advance(LIFETIME);
    world.token(&laptop).await.unwrap();
    assert_eq!(cache.takes(), [old]);
    let rotated =
        world.manager.rotate_secret(&laptop.session.user, laptop.session.id).await.unwrap();
    let session_core::manager::Rotation::Rotated { secret, .. } = rotated else { panic!() };
    assert!(cache.takes().contains(&old));
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let invalidated = cache.takes();
    assert!(
        invalidated.contains(&old) && invalidated.contains(&secret.digest()),
        "an end drops every digest"
    );
    drop(cache);
    world.sign_in().await;
}

#[tokio::test]
async fn f14_a_dropped_cache_is_forgotten() {
    let world = World::new().await;
    let cache = Arc::new(Cache::default());
    world.manager.register_cache(&cache);
    let weak = Arc::downgrade(&cache);
    drop(cache);
    assert!(weak.upgrade().is_none(), "the manager keeps it alive");
    let laptop = world.sign_in().await;
    assert!(world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap());
}

#[tokio::test]
async fn an_invalid_pattern_is_an_error_at_the_start() {
    use session_core::manager::StartError;
    use session_core::testing::ScriptedProvider;
    for pattern in ["", "m*p", "**"] {
        let started =
            session_core::SessionManager::builder(session_core::store::memory::MemoryStore::new())
                .keyring(session_tests::manager::keyring())
                .provider(pattern, ScriptedProvider::new())
                .start()
                .await;
        assert!(matches!(started.unwrap_err(), StartError::BadPattern { .. }), "{pattern:?}");
    }
}

#[tokio::test]
async fn the_narrowest_pattern_names_the_provider() {
    use session_core::testing::{FakeClock, ScriptedProvider};
    let [all, mcp, github] = [0, 1, 2].map(|_| ScriptedProvider::new());
    let clock = FakeClock::new();
    let manager =
        session_core::SessionManager::builder(session_core::store::memory::MemoryStore::new())
            .keyring(session_tests::manager::keyring())
            .clock(clock.clone())
            .provider("*", all.clone())
            .provider("mcp:*", mcp.clone())
            .provider("mcp:github", github.clone())
            .start()
            .await
            .unwrap();
    for name in ["okta", "mcp:x", "mcp:github"] {
        let (ann, name) = (sample::user("ann"), sample::provider(name));
        let connected = manager.connect(&ann, &name, sample::response()).await.unwrap();
        clock.advance(LIFETIME);
        manager.access_token(&connected.session.user, connected.session.id).await.unwrap();
    }
    assert_eq!([all, mcp, github].map(|provider| provider.renewals()), [1, 1, 1]);
}
