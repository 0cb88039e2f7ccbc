//! The query plans of the store's statements.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait as _, Set, Statement};
use session_core::Timestamp;
use session_core::event::{ChangePosition, EventName};
use session_core::policy::{OnFull, ProviderSelection};
use session_core::session::{EndReason, ProviderLogout, SessionId};
use session_core::store::sea_orm::SeaOrmStore;
use session_core::store::sea_orm::entity::{Octets, admission_lock};
use session_core::store::{
    ChangesQuery, EndTarget, Lease, PendingRevocation, Reseal, Round, SecretRotation, StepUpWrite,
    TimeoutBasis, TimeoutQuery, TokenWrite,
};
use session_core::store::{
    EventLog as _, KeyRotation as _, MaintenanceRounds as _, MigratedSessions as _,
    RenewalLeases as _, RevocationOutbox as _, SessionLifecycle as _, SessionLookup as _,
    SessionUpdates as _,
};
use session_core::testing::sample::{self, Login};
use session_tests::database::{Database, Kind};

use super::{admit, capped};

const USERS: usize = 150;
const SESSIONS: usize = 20;

/// Fills the tables, calls every method, and reads the plan of each statement that was sent: none
/// may scan a whole table.
pub async fn check(database: &Database) {
    let pool = database
        .connect_with(|options| {
            // SQLite has one writer, and waiting for its syncs takes long; this file need not survive
            // a crash.
            options.max_connections(if database.kind() == Kind::Sqlite { 1 } else { 8 });
            options.map_sqlx_sqlite_opts(|sqlite| sqlite.pragma("synchronous", "OFF"));
        })
        .await;
    let logins = fill(&SeaOrmStore::new(pool.clone())).await;
    fill_locks(&pool).await;
    // Nothing collects statistics of an SQLite file.
    if database.kind() != Kind::Sqlite {
        analyse(&pool).await;
    }
    let sent = Arc::new(Mutex::new(Vec::<Statement>::new()));
    let told = Arc::clone(&sent);
    let asker = pool.clone();
    let store = SeaOrmStore::new(pool)
        .with_observer(move |statement| told.lock().unwrap().push(statement.clone()));
    call_every_method(&store, &logins).await;
    let sent = sent.lock().unwrap().clone();
    assert!(sent.len() > 30, "only {} statements were sent", sent.len());
    for statement in sent.into_iter().filter(reads) {
        let plan = plan(&asker, &statement).await;
        assert!(!scans(asker.get_database_backend(), &plan), "{}\n{plan}", statement.sql);
    }
}

/// Returns whether a statement reads: one that only inserts, or that begins or ends a transaction,
/// has no plan to check.
fn reads(statement: &Statement) -> bool {
    let has = |word| statement.sql.contains(word);
    has("SELECT") || has("UPDATE ") && !has("INSERT ") || has("DELETE ")
}

async fn fill(store: &SeaOrmStore) -> Vec<Login> {
    let policy = capped(1000, OnFull::EvictOldest);
    let mut logins = Vec::new();
    for user in 0..USERS {
        let user = format!("user-{user}");
        let of_user: Vec<_> = (0..SESSIONS).map(|n| login(&user, n)).collect();
        for some in of_user.chunks(8) {
            let admitted = some.iter().map(|login| admit(store, login, &policy));
            futures_util::future::join_all(admitted)
                .await
                .into_iter()
                .for_each(|one| drop(one.unwrap()));
        }
        // Half of the sessions have ended; their refresh tokens are in the outbox.
        let half = of_user.iter().step_by(2).map(|login| {
            let one = EndTarget::One { id: login.id(), user: None };
            store.end(one, EndReason::SignedOut.into(), login.session.created_at)
        });
        futures_util::future::join_all(half).await.into_iter().for_each(|one| drop(one.unwrap()));
        if user.ends_with('7') {
            seal_with_an_old_key(store, &of_user).await;
        }
        logins.extend(of_user.into_iter().skip(1).step_by(2));
    }
    logins
}

/// Adds the lock rows of other partitions: a table of a few pages is scanned, whatever its indexes.
async fn fill_locks(pool: &DatabaseConnection) {
    for some in 0_u64..10 {
        let rows = (0..400_u64).map(|number| admission_lock::ActiveModel {
            partition_key: Set(Octets([some, number, some, number].map(u64::to_be_bytes).concat())),
            admissions: Set(1),
        });
        let insert = admission_lock::Entity::insert_many(rows);
        insert.exec_without_returning(pool).await.unwrap();
    }
}

fn login(user: &str, number: usize) -> Login {
    let moment = sample::now() + Duration::from_secs(u64::try_from(number).unwrap() * 60);
    Login::of(user, "okta").at(moment).sid(&format!("{user} {number}")).subject(Some(user))
}

/// Leaves a few rows sealed with an old key, as a change of the key does.
async fn seal_with_an_old_key(store: &SeaOrmStore, logins: &[Login]) {
    let old = sample::keyring_of(&["old"]);
    let login = &logins[1];
    let sealed = sample::sealed_by(&old, &login.tokens, &login.session);
    let anew = Reseal::new(login.id(), 1, sealed.clone());
    assert_eq!(store.reseal(vec![anew]).await.unwrap(), 1);
    let sealed_otherwise = store.list_revocations_sealed_with_other_key("old", None, 1).await;
    let revocation = sealed_otherwise.unwrap()[0].id;
    store.reseal_revocation(revocation, sealed.refresh_token.unwrap()).await.unwrap();
}

async fn analyse(pool: &DatabaseConnection) {
    let tables = ["login_session", "login_session_event", "provider_revocation", "admission_lock"];
    for table in tables {
        let sql = match pool.get_database_backend() {
            DbBackend::MySql => format!("ANALYZE TABLE {table}"),
            _ => format!("ANALYZE {table}"),
        };
        pool.execute_unprepared(&sql).await.unwrap();
    }
}

async fn call_every_method(store: &SeaOrmStore, logins: &[Login]) {
    let [one, two, three] = [&logins[3], &logins[40], &logins[77]];
    let now = sample::now() + Duration::from_secs(100_000);
    let policy = capped(5, OnFull::EvictOldest);
    admit(store, &login("user-5", 99).superseding(one.digest()), &policy).await.unwrap();
    store.find_by_digest(&two.digest().unwrap()).await.unwrap().unwrap();
    store.find(two.id()).await.unwrap().unwrap();
    store.find_all(&[one.id(), two.id(), three.id()]).await.unwrap();
    assert!(!store.list(&two.session.user).await.unwrap().is_empty());
    let (user, provider) = (&two.session.user, &two.session.provider);
    assert!(store.list_unclaimed(user, provider).await.unwrap().is_empty());
    assert!(store.list_migrated(user, provider).await.unwrap().is_empty());
    assert!(!store.is_held(two.id()).await.unwrap());
    let tokens = sample::sealed(&sample::tokens(), &two.session);
    let write = TokenWrite::new(two.id(), 1, tokens.clone(), now);
    assert_eq!(store.write_tokens(write).await.unwrap(), Some(2));
    let anew = vec![Reseal::new(two.id(), 2, tokens); 50];
    assert_eq!(store.reseal(anew).await.unwrap(), 1);
    let (from, to) = (two.digest(), sample::secret().digest());
    let rotation = SecretRotation::new(two.id(), from, to, sample::now());
    assert!(store.rotate_secret(rotation).await.unwrap());
    store.confirm_rotation(two.id(), &to, now).await.unwrap();
    store.touch(two.id(), now).await.unwrap();
    let tokens = sample::sealed(&sample::tokens(), &three.session);
    let revocation =
        PendingRevocation::new(&three.session, tokens.refresh_token.clone().unwrap(), now);
    let write = TokenWrite::new(three.id(), 1, tokens, now);
    let authentication = three.session.authentication.clone();
    let write = StepUpWrite::new(write, sample::secret().digest(), authentication);
    assert_eq!(store.step_up(write.revoking(Some(revocation))).await.unwrap(), Some(2));
    let lease = Lease::new(Duration::from_secs(60));
    assert!(store.claim_lease(two.id(), None, &lease).await.unwrap().is_some());
    assert!(store.heartbeat(two.id(), &lease).await.unwrap());
    store.release_lease(two.id(), lease.owner).await.unwrap();
    ends(store, logins, now).await;
    maintain(store, two, now).await;
}

async fn ends(store: &SeaOrmStore, logins: &[Login], now: Timestamp) {
    let (user, provider) = (logins[100].session.user.clone(), sample::provider("okta"));
    let by_issuer = || ProviderLogout::new(sample::ISSUER);
    let targets = [
        EndTarget::AllOf { user: logins[90].session.user.clone(), provider: Some(provider) },
        EndTarget::Others { user: user.clone(), except: logins[100].id() },
        EndTarget::OfProvider(by_issuer().with_sid("user-20 1".to_owned())),
        EndTarget::OfProvider(by_issuer().with_subject(sample::subject("user-21"))),
        EndTarget::OfProvider(
            by_issuer().with_subject(sample::subject("user-22")).created_until(now),
        ),
        EndTarget::OfProvider(by_issuer().with_user(logins[110].session.user.clone())),
        EndTarget::One { id: logins[100].id(), user: Some(user) },
    ];
    for target in targets {
        let ended = store.end(target.clone(), EndReason::RevokedByAdmin.into(), now).await.unwrap();
        assert!(!ended.is_empty(), "{target:?} matches no session");
    }
}

async fn maintain(store: &SeaOrmStore, login: &Login, now: Timestamp) {
    for by in [TimeoutBasis::LastSeen, TimeoutBasis::TimeoutsFrom] {
        let until = sample::now() + Duration::from_secs(61);
        let after = Some((sample::now(), login.id()));
        let query = TimeoutQuery::new(by, until, 10).after(after);
        let page = store.list_timeout_candidates(query).await.unwrap();
        assert_eq!(page.len(), 10);
    }
    let query = TimeoutQuery::new(TimeoutBasis::ConnectionRenewed, now, 10);
    let query = query.after(Some((sample::now(), login.id())));
    store.list_timeout_candidates(query).await.unwrap();
    let selected = ProviderSelection::matching("mcp:*").except(["mcp:files"]);
    let query = TimeoutQuery::new(TimeoutBasis::LastSeen, now, 10).of(selected);
    store.list_timeout_candidates(query).await.unwrap();
    let position = ChangePosition { at: sample::now(), id: login.id().as_uuid() };
    store.list_changes(ChangesQuery::new(sample::now(), 10).after(Some(position))).await.unwrap();
    for number in 1..4 {
        assert!(store.claim_round(Round { number, at: now }).await.unwrap());
    }
    assert_eq!(store.list_rounds(2).await.unwrap().len(), 2);
    let unused = logins_unused(login);
    store.end(unused, EndReason::Idle.into(), now).await.unwrap();
    let before = sample::now() + Duration::from_secs(1);
    assert_eq!(store.purge_ended(before, 20).await.unwrap(), 20);
    assert_eq!(store.purge_events(EventName::Created, before, 20).await.unwrap(), 20);
    assert!(!store.events(login.id()).await.unwrap().is_empty());
    let claimed = store.claim_revocations(before, now, 10).await.unwrap();
    store.postpone_revocation(claimed[0].id, now).await.unwrap();
    store.reseal_revocation(claimed[0].id, claimed[0].refresh_token.clone()).await.unwrap();
    store.complete_revocation(claimed[0].id).await.unwrap();
    store.count_live(&login.new_session().partition()).await.unwrap();
    assert_eq!(store.sample_per_key().await.unwrap().len(), 2);
    assert_eq!(store.list_sealed_with_other_key("sample", None, 10).await.unwrap().len(), 10);
    let first = SessionId::from_uuid(uuid::Uuid::nil());
    assert_eq!(store.list_sealed_with_other_key("sample", Some(first), 5).await.unwrap().len(), 5);
    assert_eq!(
        store.list_revocations_sealed_with_other_key("sample", None, 5).await.unwrap().len(),
        5
    );
}

fn logins_unused(login: &Login) -> EndTarget {
    let read = (login.id(), login.session.last_seen_at);
    EndTarget::Unused { sessions: vec![read; 100] }
}

async fn plan(pool: &DatabaseConnection, statement: &Statement) -> String {
    let explain = match pool.get_database_backend() {
        DbBackend::Sqlite => "EXPLAIN QUERY PLAN",
        _ => "EXPLAIN",
    };
    let asked = Statement { sql: format!("{explain} {}", statement.sql), ..statement.clone() };
    let rows = pool.query_all_raw(asked).await.unwrap();
    let line = |row: &sea_orm::QueryResult| match pool.get_database_backend() {
        DbBackend::Sqlite => row.try_get::<String>("", "detail").unwrap(),
        DbBackend::MySql => {
            let field = |name| row.try_get::<Option<String>>("", name).unwrap().unwrap_or_default();
            format!("{} {} by {}", field("table"), field("type"), field("key"))
        }
        _ => row.try_get_by_index(0).unwrap(),
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns whether a plan scans a whole table, a whole index, or all that is live or of one issuer.
fn scans(backend: DbBackend, plan: &str) -> bool {
    plan.lines().any(|line| match backend {
        DbBackend::Sqlite => {
            let is_scan = line.starts_with("SCAN ") && !line.contains("CONSTANT ROW");
            let is_too_wide = ["(ended_at=?)", "(issuer=?)"].iter().any(|it| line.ends_with(it));
            is_scan || is_too_wide
        }
        DbBackend::MySql => line.contains(" ALL ") || line.contains(" index by "),
        _ => line.contains("Seq Scan"),
    })
}
