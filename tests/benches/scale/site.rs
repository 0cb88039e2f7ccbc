//! A database with many sessions, some of which are measured.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection};
use session_core::clock::Clock as _;
use session_core::manager::SignIn;
use session_core::policy::Rule;
use session_core::session::SecretDigest;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::{FakeClock, sample};
use session_core::token::SealedTokens;
use session_core::{Session, SessionManager, SessionPolicy, UserId};
use session_tests::database::{Database, Kind};
use session_tests::manager::keyring;

use crate::fill::Filling;

/// How many sessions a measured user has: as many as the cap allows.
pub(crate) const CAP: u32 = 10;

/// The provider of the sessions that the bench measures. They do not time out.
pub(crate) const MEASURED: &str = "okta";

/// The provider of the sessions that only fill the table.
pub(crate) const FILLED: &str = "google";

/// The sessions are filled in so many parts, and those to be measured signed in between, so that they lie
/// among the others.
const PARTS: u64 = 31;

/// The time between two parts.
const PART: Duration = Duration::from_secs(24 * 3600);

/// A session to be measured.
pub(crate) struct Probe {
    pub(crate) session: Session,
    pub(crate) digest: SecretDigest,
    pub(crate) revision: u64,
    pub(crate) tokens: SealedTokens,
}

pub(crate) struct Site {
    pub(crate) database: Database,
    pub(crate) clock: FakeClock,
    pub(crate) store: Arc<SeaOrmStore>,
    pub(crate) manager: SessionManager,
    /// Sessions that are read and updated.
    pub(crate) kept: Vec<Probe>,
    /// Users at their cap, who sign in once more.
    pub(crate) full: Vec<UserId>,
    /// Sessions to be ended.
    pub(crate) spare: VecDeque<Probe>,
    /// Chooses the next session; the same for sites of every size.
    pub(crate) chosen: u64,
}

impl Site {
    /// Creates a database with so many sessions of thirty-one days.
    pub(crate) async fn filled(kind: Kind, size: u64) -> Self {
        let mut site = Self::new(kind).await;
        let connection = site.database.connect_with(one_connection).await;
        let count = (size / PARTS).max(1);
        for part in 0..PARTS {
            let filling = Filling {
                first: part * count,
                count,
                from: site.clock.now(),
                provider: FILLED,
                with_ended: true,
            };
            filling.write(&connection, kind).await;
            site.sign_in_probes(part).await;
            site.clock.advance(PART);
        }
        analyse(&connection).await;
        connection.close().await.unwrap();
        site
    }

    /// Creates an empty database and its manager.
    pub(crate) async fn new(kind: Kind) -> Self {
        let database = Database::migrated(kind).await;
        let store = Arc::new(SeaOrmStore::connect(database.url()).await.unwrap());
        let clock = FakeClock::new();
        let day = Duration::from_secs(24 * 3600);
        let measured =
            Rule::for_provider(MEASURED).without_idle_timeout().without_absolute_timeout();
        let policy = SessionPolicy::builder()
            .max_sessions(CAP)
            .without_idle_timeout()
            .absolute_timeout(400 * day)
            .rule(measured);
        let manager = SessionManager::builder(Arc::clone(&store))
            .policy(policy.build().unwrap())
            .keyring(keyring())
            .clock(clock.clone())
            .start()
            .await
            .unwrap();
        Self {
            database,
            clock,
            store,
            manager,
            kept: Vec::new(),
            full: Vec::new(),
            spare: VecDeque::new(),
            chosen: 0,
        }
    }

    async fn sign_in_probes(&mut self, part: u64) {
        for number in 0..4 {
            let user = sample::user(&format!("kept-{part}-{number}"));
            let kept = self.sign_in_everywhere(&user).await;
            self.kept.extend(kept);
            let user = sample::user(&format!("spare-{part}-{number}"));
            let spare = self.sign_in_everywhere(&user).await;
            self.spare.extend(spare);
        }
        let user = sample::user(&format!("full-{part}"));
        self.sign_in_everywhere(&user).await;
        self.full.push(user);
    }

    async fn sign_in_everywhere(&self, user: &UserId) -> Vec<Probe> {
        let mut probes = Vec::new();
        for _ in 0..CAP {
            probes.push(self.sign_in(user).await);
        }
        probes
    }

    pub(crate) async fn sign_in(&self, user: &UserId) -> Probe {
        let sign_in = SignIn::new(user, &sample::provider(MEASURED), sample::response());
        let signed_in = self.manager.sign_in(sign_in).await.unwrap();
        let tokens = sample::sealed_by(&keyring(), &sample::tokens(), &signed_in.session);
        let digest = signed_in.secret.digest();
        Probe { session: signed_in.session, digest, revision: 1, tokens }
    }

    /// Returns the place of the next session or user, of so many.
    pub(crate) fn choose(&mut self, of: usize) -> usize {
        self.chosen = self
            .chosen
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.chosen >> 33).unwrap() % of
    }
}

pub(crate) fn one_connection(options: &mut ConnectOptions) {
    options.max_connections(1);
}

/// Counts the rows, as every server does by itself after a while.
async fn analyse(connection: &DatabaseConnection) {
    for table in ["login_session", "login_session_event", "admission_lock"] {
        let sql = match connection.get_database_backend() {
            sea_orm::DbBackend::MySql => format!("ANALYZE TABLE {table}"),
            _ => format!("ANALYZE {table}"),
        };
        connection.execute_unprepared(&sql).await.unwrap();
    }
}
