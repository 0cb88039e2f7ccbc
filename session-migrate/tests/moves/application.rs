//! An application that keeps writing to the source until its writes are blocked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, TransactionTrait as _,
};
use session_migrate::capture::ChangeCapture;
use session_tests::database::Kind;
use session_tests::projects::openwebui::tokens;

use crate::random::Random;
use crate::seed::Row;
use crate::site::{Site, Stage, values};

/// The state that all writers of the application share.
#[derive(Debug)]
pub(crate) struct Application {
    kind: Kind,
    connection: DatabaseConnection,
    /// Users that are never deleted.
    users: Vec<String>,
    /// Users that are deleted, with all their rows.
    leavers: Mutex<Vec<String>>,
    ids: Mutex<Vec<String>>,
    /// The names of tokens, by their sealed value.
    pub(crate) sealed: Mutex<BTreeMap<String, String>>,
    names: AtomicUsize,
    /// The stage of the move, as last read from the journal.
    stage: Mutex<Stage>,
    /// The number of committed writes at each stage.
    pub(crate) writes: Mutex<BTreeMap<Stage, usize>>,
    pub(crate) retries: AtomicUsize,
    pub(crate) is_blocked: AtomicBool,
}

/// The result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteResult {
    Done,
    /// It conflicted with another transaction.
    Contended,
    /// Writes to the table are blocked.
    Blocked,
}

const PROVIDERS: [&str; 4] = ["google", "oidc", "Google", "mcp:docs"];

impl Application {
    pub(crate) async fn new(
        site: &Site,
        rows: &[Row],
        users: Vec<String>,
        leavers: Vec<String>,
    ) -> Arc<Self> {
        let connection = site.database.connect_with(|options| {
            options.max_connections(16);
        });
        Arc::new(Self {
            kind: site.kind(),
            connection: connection.await,
            users,
            leavers: Mutex::new(leavers),
            ids: Mutex::new(rows.iter().map(|row| row.id.clone()).collect()),
            sealed: Mutex::default(),
            names: AtomicUsize::new(0),
            stage: Mutex::new(Stage::Expand),
            writes: Mutex::default(),
            retries: AtomicUsize::new(0),
            is_blocked: AtomicBool::new(false),
        })
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        *self.stage.lock().unwrap() = stage;
    }

    fn count(&self, writes: usize) {
        let stage = *self.stage.lock().unwrap();
        *self.writes.lock().unwrap().entry(stage).or_default() += writes;
    }

    fn name(&self) -> String {
        format!("w{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    fn token(&self) -> String {
        let name = self.name();
        let token = tokens(&name);
        self.sealed.lock().unwrap().insert(token.clone(), name);
        token
    }

    fn id(&self, random: &mut Random) -> String {
        let ids = self.ids.lock().unwrap();
        ids[random.below(ids.len())].clone()
    }

    fn user(&self, random: &mut Random) -> String {
        self.users[random.below(self.users.len())].clone()
    }

    fn insert(
        &self,
        user: String,
        provider: &'static str,
        random: &mut Random,
    ) -> (String, String) {
        // Keys before and after the existing ones.
        let id = format!("{:08x}-{}", random.below(0xffff_ffff), self.name());
        let created = 1_700_000_000 + i64::try_from(random.below(400)).unwrap();
        let row = Row { id: id.clone(), user, provider, token: self.token(), created };
        self.ids.lock().unwrap().push(id.clone());
        (id, format!("INSERT INTO oauth_session VALUES {}", values(&row)))
    }

    /// Returns a random write of one row.
    fn write(&self, random: &mut Random) -> String {
        let id = self.id(random);
        let update = |set: String| format!("UPDATE oauth_session SET {set} WHERE id = '{id}'");
        match random.below(10) {
            0 | 1 => {
                let user = self.user(random);
                self.insert(user, PROVIDERS[random.below(4)], random).1
            }
            2 | 9 => format!("DELETE FROM oauth_session WHERE id = '{id}'"),
            3 => {
                let new = format!("{:08x}-{}", random.below(0xffff_ffff), self.name());
                self.ids.lock().unwrap().push(new.clone());
                update(format!("id = '{new}'"))
            }
            4 => update(format!("user_id = '{}'", self.user(random))),
            5 => update(format!("provider = '{}'", PROVIDERS[random.below(4)])),
            6 => update(format!("created_at = {}", 1_700_000_000 + random.below(400))),
            7 if random.below(4) == 0 => update("token = 'no Fernet'".to_owned()),
            _ => update(format!("token = '{}', updated_at = 1750000000", self.token())),
        }
    }

    fn written<T>(&self, done: Result<T, DbErr>, writes: usize) -> WriteResult {
        match done {
            Ok(_) => {
                self.count(writes);
                WriteResult::Done
            }
            Err(error) if error.to_string().contains(ChangeCapture::BLOCK_TEXT) => {
                self.is_blocked.store(true, Ordering::Relaxed);
                WriteResult::Blocked
            }
            Err(error) if is_contention(&error) => {
                self.retries.fetch_add(1, Ordering::Relaxed);
                WriteResult::Contended
            }
            Err(error) => panic!("{}: unexpected error: {error}", self.kind),
        }
    }
}

fn is_contention(error: &DbErr) -> bool {
    let text = error.to_string().to_lowercase();
    let words = [
        "deadlock",
        "lock wait timeout",
        "could not serialize",
        "lock timeout",
        "database is locked",
        "record has changed since",
        "table definition has changed",
    ];
    words.iter().any(|word| text.contains(word))
}

/// Writes one row at a time, at a fixed interval.
pub(crate) async fn short(app: Arc<Application>, mut random: Random, pace: Duration) {
    let mut ticks = tokio::time::interval(pace);
    loop {
        ticks.tick().await;
        let sql = app.write(&mut random);
        let done = app.connection.execute_unprepared(&sql).await;
        if app.written(done, 1) == WriteResult::Blocked {
            return;
        }
    }
}

/// Runs transactions of several writes, holds them open, and commits or rolls back.
pub(crate) async fn hold_open(app: Arc<Application>, mut random: Random, max: Duration) {
    loop {
        let done = transaction(&app, &mut random, max).await;
        match app.written(done, 8) {
            WriteResult::Blocked => return,
            _ => tokio::time::sleep(max / 2 + random.within(max / 2)).await,
        }
    }
}

async fn transaction(app: &Application, random: &mut Random, max: Duration) -> Result<(), DbErr> {
    let transaction = app.connection.begin().await?;
    for _ in 0..8 {
        let sql = app.write(random);
        transaction.execute_unprepared(&sql).await?;
    }
    tokio::time::sleep(random.within(max)).await;
    match random.below(3) {
        0 => transaction.rollback().await,
        _ => transaction.commit().await,
    }
}

/// Raises partitions over the cap and lowers them again.
pub(crate) async fn over_cap(app: Arc<Application>, mut random: Random, pace: Duration) {
    loop {
        let user = app.user(&mut random);
        let mut ids = Vec::new();
        for _ in 0..4 {
            let (id, sql) = app.insert(user.clone(), "over-cap", &mut random);
            ids.push(id);
            let done = app.connection.execute_unprepared(&sql).await;
            if app.written(done, 1) == WriteResult::Blocked {
                return;
            }
            tokio::time::sleep(pace).await;
        }
        for id in ids.iter().take(2 + random.below(3)) {
            let sql = format!("DELETE FROM oauth_session WHERE id = '{id}'");
            let done = app.connection.execute_unprepared(&sql).await;
            if app.written(done, 1) == WriteResult::Blocked {
                return;
            }
            tokio::time::sleep(pace).await;
        }
    }
}

/// Deletes users with all their rows, until the first one is refused.
pub(crate) async fn leavers(app: Arc<Application>, pace: Duration) {
    let user =
        if app.kind == Kind::Postgres || app.kind == Kind::Sqlite { "\"user\"" } else { "`user`" };
    loop {
        tokio::time::sleep(pace).await;
        let Some(leaver) = app.leavers.lock().unwrap().pop() else { return };
        let sql = format!("DELETE FROM {user} WHERE id = '{leaver}'");
        let done = app.connection.execute_unprepared(&sql).await;
        if app.written(done, 1) == WriteResult::Blocked {
            return;
        }
    }
}
