//! An old application that goes on writing, until it is refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, TransactionTrait as _,
};
use session_migrate::capture::ChangeCapture;
use session_tests::database::Kind;

use crate::chance::Chance;
use crate::seed::{Row, tokens};
use crate::site::{Site, Stage, values};

/// What all writers of an application share.
#[derive(Debug)]
pub(crate) struct Application {
    kind: Kind,
    connection: DatabaseConnection,
    /// Users that nobody removes.
    users: Vec<String>,
    /// Users that are removed, with all their rows.
    leavers: Mutex<Vec<String>>,
    ids: Mutex<Vec<String>>,
    /// Names of tokens, by how they are stored.
    pub(crate) sealed: Mutex<BTreeMap<String, String>>,
    names: AtomicUsize,
    /// As the journal says, a moment ago.
    stage: Mutex<Stage>,
    /// How many writes were committed at each stage.
    pub(crate) writes: Mutex<BTreeMap<Stage, usize>>,
    pub(crate) retries: AtomicUsize,
    pub(crate) is_refused: AtomicBool,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Done,
    /// Another transaction was in its way.
    Again,
    /// The table takes no writes any more.
    Refused,
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
            is_refused: AtomicBool::new(false),
        })
    }

    pub(crate) fn notes(&self, stage: Stage) {
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

    fn id(&self, chance: &mut Chance) -> String {
        let ids = self.ids.lock().unwrap();
        ids[chance.below(ids.len())].clone()
    }

    fn user(&self, chance: &mut Chance) -> String {
        self.users[chance.below(self.users.len())].clone()
    }

    fn insert(
        &self,
        user: String,
        provider: &'static str,
        chance: &mut Chance,
    ) -> (String, String) {
        // Among the old ones as well as behind them.
        let id = format!("{:08x}-{}", chance.below(0xffff_ffff), self.name());
        let created = 1_700_000_000 + i64::try_from(chance.below(400)).unwrap();
        let row = Row { id: id.clone(), user, provider, token: self.token(), created };
        self.ids.lock().unwrap().push(id.clone());
        (id, format!("INSERT INTO oauth_session VALUES {}", values(&row)))
    }

    /// Some write of one row.
    fn write(&self, chance: &mut Chance) -> String {
        let id = self.id(chance);
        let update = |set: String| format!("UPDATE oauth_session SET {set} WHERE id = '{id}'");
        match chance.below(10) {
            0 | 1 => {
                let user = self.user(chance);
                self.insert(user, PROVIDERS[chance.below(4)], chance).1
            }
            2 | 9 => format!("DELETE FROM oauth_session WHERE id = '{id}'"),
            3 => {
                let new = format!("{:08x}-{}", chance.below(0xffff_ffff), self.name());
                self.ids.lock().unwrap().push(new.clone());
                update(format!("id = '{new}'"))
            }
            4 => update(format!("user_id = '{}'", self.user(chance))),
            5 => update(format!("provider = '{}'", PROVIDERS[chance.below(4)])),
            6 => update(format!("created_at = {}", 1_700_000_000 + chance.below(400))),
            7 if chance.below(4) == 0 => update("token = 'no Fernet'".to_owned()),
            _ => update(format!("token = '{}', updated_at = 1750000000", self.token())),
        }
    }

    fn written<T>(&self, done: Result<T, DbErr>, writes: usize) -> Written {
        match done {
            Ok(_) => {
                self.count(writes);
                Written::Done
            }
            Err(error) if error.to_string().contains(ChangeCapture::BLOCK_TEXT) => {
                self.is_refused.store(true, Ordering::Relaxed);
                Written::Refused
            }
            Err(error) if is_contention(&error) => {
                self.retries.fetch_add(1, Ordering::Relaxed);
                Written::Again
            }
            Err(error) => panic!("{}: another error than the bar's: {error}", self.kind),
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

/// One write of a row after another, at an even pace.
pub(crate) async fn short(app: Arc<Application>, mut chance: Chance, pace: Duration) {
    let mut ticks = tokio::time::interval(pace);
    loop {
        ticks.tick().await;
        let sql = app.write(&mut chance);
        let done = app.connection.execute_unprepared(&sql).await;
        if app.written(done, 1) == Written::Refused {
            return;
        }
    }
}

/// Transactions of several writes that are held open, and committed or not.
pub(crate) async fn held(app: Arc<Application>, mut chance: Chance, most: Duration) {
    loop {
        let done = transaction(&app, &mut chance, most).await;
        match app.written(done, 8) {
            Written::Refused => return,
            _ => tokio::time::sleep(most / 2 + chance.within(most / 2)).await,
        }
    }
}

async fn transaction(app: &Application, chance: &mut Chance, most: Duration) -> Result<(), DbErr> {
    let transaction = app.connection.begin().await?;
    for _ in 0..8 {
        let sql = app.write(chance);
        transaction.execute_unprepared(&sql).await?;
    }
    tokio::time::sleep(chance.within(most)).await;
    match chance.below(3) {
        0 => transaction.rollback().await,
        _ => transaction.commit().await,
    }
}

/// Pairs that become crowded, and stop being so.
pub(crate) async fn crowds(app: Arc<Application>, mut chance: Chance, pace: Duration) {
    loop {
        let user = app.user(&mut chance);
        let mut ids = Vec::new();
        for _ in 0..4 {
            let (id, sql) = app.insert(user.clone(), "crowded", &mut chance);
            ids.push(id);
            let done = app.connection.execute_unprepared(&sql).await;
            if app.written(done, 1) == Written::Refused {
                return;
            }
            tokio::time::sleep(pace).await;
        }
        for id in ids.iter().take(2 + chance.below(3)) {
            let sql = format!("DELETE FROM oauth_session WHERE id = '{id}'");
            let done = app.connection.execute_unprepared(&sql).await;
            if app.written(done, 1) == Written::Refused {
                return;
            }
            tokio::time::sleep(pace).await;
        }
    }
}

/// Users who go, and all their rows with them. On MariaDB no trigger sees that, so no bar refuses
/// it; there it ends before the switch.
pub(crate) async fn leavers(app: Arc<Application>, pace: Duration) {
    let user =
        if app.kind == Kind::Postgres || app.kind == Kind::Sqlite { "\"user\"" } else { "`user`" };
    loop {
        tokio::time::sleep(pace).await;
        let is_over = *app.stage.lock().unwrap() >= Stage::Switch;
        if is_over || app.is_refused.load(Ordering::Relaxed) {
            return;
        }
        let Some(leaver) = app.leavers.lock().unwrap().pop() else { return };
        let sql = format!("DELETE FROM {user} WHERE id = '{leaver}'");
        let done = app.connection.execute_unprepared(&sql).await;
        if app.written(done, 1) == Written::Refused {
            return;
        }
    }
}
