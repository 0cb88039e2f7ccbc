//! A connection that breaks at any message of a call, before or after the message arrives, changes
//! neither the effect nor the result of the call.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::time::Duration;

use crate::store_support::saboteur::{Sabotage, Saboteur};
use crate::store_support::{admit, capped, migrated};
use session_core::event::{Event, EventKind};
use session_core::policy::OnFull;
use session_core::session::EndReason;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::store::{
    EndTarget, Lease, PendingRevocation, PreviousDigest, SecretRotation, TokenWrite,
};
use session_core::store::{
    EventLog as _, MigratedSessions as _, RenewalLeases as _, RevocationOutbox as _,
    SessionLifecycle as _, SessionLookup as _, SessionUpdates as _,
};
use session_core::testing::sample::{self, Login};
use session_tests::database::{Database, Kind};

/// A store behind the saboteur, and one with a direct connection.
struct Stage {
    store: SeaOrmStore,
    direct: SeaOrmStore,
    saboteur: Saboteur,
    _database: Database,
}

impl Stage {
    async fn on(kind: Kind) -> Self {
        let database = migrated(kind).await;
        let saboteur = Saboteur::before(database.url()).await;
        let mut options = sea_orm::ConnectOptions::new(saboteur.url());
        options.max_connections(3);
        let store = SeaOrmStore::connect_options(options).await.unwrap();
        let direct = SeaOrmStore::connect(database.url()).await.unwrap();
        Self { store, direct, saboteur, _database: database }
    }

    /// Admits a login of the user over the direct connection.
    async fn login(&self, user: &str) -> Login {
        let login = Login::of(user, "okta");
        admit(&self.direct, &login, &capped(100, OnFull::EvictOldest)).await.unwrap();
        login
    }

    async fn events(&self, login: &Login) -> Vec<EventKind> {
        let events = self.direct.events(login.id()).await.unwrap();
        events.iter().map(|event| event.kind).collect()
    }

    /// Waits until the server has noticed the dead connection, whose locked rows it skips until then.
    async fn unlocked_outbox(&self) -> Vec<PendingRevocation> {
        for _ in 0..100 {
            let outbox = self.outbox().await;
            if !outbox.is_empty() {
                return outbox;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Vec::new()
    }

    async fn outbox(&self) -> Vec<PendingRevocation> {
        let far = sample::now() + Duration::from_secs(1_000_000);
        let all = self.direct.claim_revocations(far, far, 1000).await.unwrap();
        for one in &all {
            self.direct.complete_revocation(one.id).await.unwrap();
        }
        all
    }
}

/// Runs a case once for each of its messages, broken in both ways, on each server.
macro_rules! at_every_message {
    ($($name:ident($stage:ident, $user:ident, $break_from:ident) $body:block)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            for kind in Kind::available().into_iter().filter(|kind| *kind != Kind::Sqlite) {
                let $stage = &Stage::on(kind).await;
                for sabotage in [Sabotage::Request, Sabotage::Answer] {
                    for message in 0.. {
                        let user = format!("{sabotage:?} of {message}");
                        let $user = user.as_str();
                        let $break_from = || $stage.saboteur.arm(sabotage, message);
                        let broke: bool = $body;
                        if !broke {
                            assert!(message > 0, "nothing was sent");
                            break;
                        }
                    }
                }
            }
        }
    )+};
}

at_every_message! {
    a_login_is_put_in_once(stage, user, break_now) {
        let (same, other) = (stage.login(user).await, stage.login(user).await);
        let login = Login::of(user, "okta").superseding(same.digest());
        break_now();
        let ended = admit(&stage.store, &login, &capped(1, OnFull::EvictOldest)).await.unwrap();
        let broke = stage.saboteur.disarm();
        assert_eq!(ended, [same.id(), other.id()], "{user}");
        let live = stage.direct.list(&sample::user(user)).await.unwrap();
        assert_eq!(live.len(), 1, "{user}");
        assert_eq!(live[0].id, login.id(), "{user}");
        assert_eq!(stage.events(&login).await, [EventKind::Created], "{user}");
        let over = [EventKind::Created, EventKind::Ended(EndReason::Superseded)];
        assert_eq!(stage.events(&same).await, over, "{user}");
        assert_eq!(stage.outbox().await.len(), 2, "{user}");
        broke
    }

    an_end_says_whom_it_ended(stage, user, break_now) {
        let mut logins = [stage.login(user).await.id(), stage.login(user).await.id()];
        let all = EndTarget::AllOf { user: sample::user(user), provider: None };
        break_now();
        let ended = stage.store.end(all, EndReason::RevokedByUser.into(), sample::now()).await.unwrap();
        let broke = stage.saboteur.disarm();
        let mut ended: Vec<_> = ended.iter().map(|ended| ended.id).collect();
        ended.sort_unstable();
        logins.sort_unstable();
        assert_eq!(ended, logins, "{user}");
        assert_eq!(stage.outbox().await.len(), 2, "{user}");
        broke
    }

    renewed_tokens_are_written_once(stage, user, break_now) {
        let login = stage.login(user).await;
        let tokens = sample::sealed(&sample::tokens(), &login.session);
        let write = TokenWrite::new(login.id(), 1, tokens, sample::now());
        break_now();
        let revision = stage.store.write_tokens(write.clone()).await.unwrap();
        let broke = stage.saboteur.disarm();
        assert_eq!(revision, Some(2), "{user}");
        let row = stage.direct.find(login.id()).await.unwrap().unwrap();
        assert_eq!((row.session.revision, row.tokens), (2, Some(write.tokens)), "{user}");
        assert_eq!(stage.events(&login).await, [EventKind::Created, EventKind::Renewed], "{user}");
        broke
    }

    a_secret_is_rotated_once(stage, user, break_now) {
        let login = stage.login(user).await;
        let from = login.digest();
        let previous = from.map(|digest| PreviousDigest {
            digest,
            rotated_at: sample::now(),
            confirmed_at: None,
        });
        let to = sample::secret().digest();
        break_now();
        let rotation = SecretRotation::new(login.id(), from, to, sample::now()).with_previous(previous);
        let rotated = stage.store.rotate_secret(rotation).await.unwrap();
        let broke = stage.saboteur.disarm();
        assert!(rotated, "{user}");
        let row = stage.direct.find_by_digest(&to).await.unwrap().unwrap();
        assert_eq!((row.session.revision, row.digests.previous), (2, previous), "{user}");
        broke
    }

    a_lease_is_claimed_raised_and_released(stage, user, break_now) {
        let login = stage.login(user).await;
        let lease = Lease::new(Duration::from_secs(60));
        break_now();
        assert!(stage.store.claim_lease(login.id(), None, &lease).await.unwrap().is_some(), "{user}");
        assert!(stage.store.heartbeat(login.id(), &lease).await.unwrap(), "{user}");
        let row = stage.direct.find(login.id()).await.unwrap().unwrap();
        assert_eq!(row.lease, Some(lease.raised()), "{user}");
        stage.store.release_lease(login.id(), lease.owner).await.unwrap();
        let broke = stage.saboteur.disarm();
        assert_eq!(stage.direct.find(login.id()).await.unwrap().unwrap().lease, None, "{user}");
        broke
    }

    an_appended_row_is_stored_once(stage, user, break_now) {
        let login = stage.login(user).await;
        let session = &login.session;
        let event = Event::new(session, EventKind::Renewed, sample::now());
        let token = sample::sealed(&sample::tokens(), session).refresh_token.unwrap();
        let revocation = PendingRevocation::new(session, token, sample::now());
        break_now();
        stage.store.record(event).await.unwrap();
        stage.store.enqueue_revocation(revocation).await.unwrap();
        let broke = stage.saboteur.disarm();
        assert_eq!(stage.events(&login).await, [EventKind::Created, EventKind::Renewed], "{user}");
        assert_eq!(stage.outbox().await.len(), 1, "{user}");
        broke
    }

    queries_are_answered(stage, user, break_now) {
        let login = stage.login(user).await;
        break_now();
        let found = stage.store.find_by_digest(&login.digest().unwrap()).await.unwrap();
        assert_eq!(found.unwrap().session.id, login.id(), "{user}");
        assert_eq!(stage.store.find_all(&[login.id()]).await.unwrap().len(), 1, "{user}");
        assert_eq!(stage.store.list(&login.session.user).await.unwrap().len(), 1, "{user}");
        let partition = login.new_session().partition();
        assert_eq!(stage.store.count_live(&partition).await.unwrap(), 1, "{user}");
        let (of, by) = (&login.session.user, &login.session.provider);
        assert!(stage.store.list_unclaimed(of, by).await.unwrap().is_empty(), "{user}");
        assert!(stage.store.list_migrated(of, by).await.unwrap().is_empty(), "{user}");
        assert!(!stage.store.is_held(login.id()).await.unwrap(), "{user}");
        stage.saboteur.disarm()
    }

    a_claim_that_nobody_heard_of_comes_back(stage, user, break_now) {
        let login = stage.login(user).await;
        let now = sample::now();
        let all = EndTarget::AllOf { user: login.session.user.clone(), provider: None };
        stage.direct.end(all, EndReason::SignedOut.into(), now).await.unwrap();
        let until = now + Duration::from_secs(60);
        break_now();
        let claimed = stage.store.claim_revocations(now, until, 10).await.unwrap();
        let broke = stage.saboteur.disarm();
        assert!(claimed.len() == 1 || broke, "{user}");
        if claimed.len() == 1 {
            assert_eq!(stage.direct.claim_revocations(now, until, 10).await.unwrap(), [], "{user}");
        }
        assert_eq!(stage.unlocked_outbox().await.len(), 1, "{user}");
        broke
    }
}
