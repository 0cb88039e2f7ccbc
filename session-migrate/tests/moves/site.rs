//! A source in a database of its own, and the command that moves it.

use std::process::{Output, Stdio};
use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectionTrait as _, DatabaseConnection, QueryResult, Statement,
};
use serde_json::Value;
use session_tests::database::{Database, Kind};
use tokio::process::{Child, Command};

use crate::seed::{Row, environment};

/// The tables; `{key}` is the type of keys, `{refers}` a foreign key or nothing.
const TABLES: [&str; 3] = [
    "CREATE TABLE «user» (id VARCHAR(255) NOT NULL PRIMARY KEY, email VARCHAR(255) NOT NULL)",
    "CREATE TABLE oauth_session (id {key} NOT NULL, user_id {key} NOT NULL, provider TEXT NOT NULL, \
     token TEXT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL, \
     updated_at BIGINT NOT NULL, PRIMARY KEY (id){refers})",
    "CREATE INDEX idx_oauth_session_user_id ON oauth_session (user_id)",
];

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) database: Database,
    pub(crate) connection: DatabaseConnection,
}

/// How far a move is, as the database says: the phase, and before and in `fill` the parts of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// Nothing is noted yet: checks, the copy of a file, the tables.
    Expand,
    /// Noted, and nothing counted: the triggers of an online move.
    Capture,
    Fill,
    Rank,
    CatchUp,
    Switch,
    Over,
}

impl Stage {
    pub(crate) const BEFORE_THE_END: [Self; 6] =
        [Self::Expand, Self::Capture, Self::Fill, Self::Rank, Self::CatchUp, Self::Switch];
}

/// What the journal says: how far, and who works.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) stage: Stage,
    pub(crate) owner: String,
}

impl Site {
    /// A fresh source with these users and rows.
    pub(crate) async fn new(
        kind: Kind,
        users: &[String],
        rows: &[Row],
        is_cascading: bool,
    ) -> Self {
        let database = Database::create(kind).await;
        let connection = database.connect().await;
        let site = Self { database, connection };
        let is_mysql = matches!(kind, Kind::MariaDb | Kind::MySql);
        let refers = match is_cascading {
            true => ", FOREIGN KEY (user_id) REFERENCES «user» (id) ON DELETE CASCADE",
            false => "",
        };
        for table in TABLES {
            let key = if is_mysql || is_cascading { "VARCHAR(255)" } else { "TEXT" };
            site.run(&table.replace("{key}", key).replace("{refers}", refers)).await;
        }
        for some in users.chunks(200) {
            let values: Vec<String> = some.iter().map(|id| format!("('{id}', 'e')")).collect();
            site.run(&format!("INSERT INTO «user» VALUES {}", values.join(", "))).await;
        }
        for some in rows.chunks(100) {
            let values: Vec<String> = some.iter().map(values).collect();
            site.run(&format!("INSERT INTO oauth_session VALUES {}", values.join(", "))).await;
        }
        site
    }

    pub(crate) fn kind(&self) -> Kind {
        self.database.kind()
    }

    /// `«name»` is a quoted name.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let is_mysql = matches!(self.kind(), Kind::MariaDb | Kind::MySql);
        sql.replace(['«', '»'], if is_mysql { "`" } else { "\"" })
    }

    pub(crate) async fn run(&self, sql: &str) {
        let done = self.connection.execute_unprepared(&self.sql(sql)).await;
        done.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }

    pub(crate) async fn query(&self, sql: &str) -> Vec<QueryResult> {
        let backend = self.connection.get_database_backend();
        let sql = Statement::from_string(backend, self.sql(sql));
        self.connection.query_all_raw(sql).await.unwrap()
    }

    /// The command, with the mapping's words and more.
    fn command(&self, task: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_session-migrate"));
        command.env_remove("DATABASE_URL").envs(environment());
        command.args([task, "--from", self.database.url(), "--preset", "openwebui"]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    pub(crate) fn spawn(&self, task: &str, words: &[&str]) -> Child {
        self.command(task, words).spawn().unwrap()
    }

    pub(crate) async fn call(&self, task: &str, words: &[&str]) -> Output {
        self.command(task, words).output().await.unwrap()
    }

    /// What a call prints that must succeed.
    pub(crate) async fn succeed(&self, task: &str, words: &[&str]) -> String {
        let output = self.call(task, words).await;
        assert!(output.status.success(), "{:?} {task} {words:?}: {}", self.kind(), text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The report of a clean `verify`.
    pub(crate) async fn verified(&self, words: &[&str]) -> Value {
        let text = self.succeed("verify", &[words, &["--json"]].concat()).await;
        serde_json::from_str(&text).unwrap()
    }

    /// What is noted of the move; where nothing is, or not even its table is there, so it says.
    pub(crate) async fn noted(&self) -> Noted {
        let backend = self.connection.get_database_backend();
        let sql = "SELECT phase, progress, COALESCE(owner, '') FROM session_move";
        let row = self.connection.query_one_raw(Statement::from_string(backend, sql)).await;
        let Some(row) = row.ok().flatten() else {
            return Noted { stage: Stage::Expand, owner: String::new() };
        };
        let text = |at: usize| row.try_get_by_index::<String>(at).unwrap();
        let progress: Value = serde_json::from_str(&text(1)).unwrap();
        let stage = match text(0).as_str() {
            "fill" if progress["expected"] == 0 => Stage::Capture,
            "fill" => Stage::Fill,
            "rank" => Stage::Rank,
            "catch_up" => Stage::CatchUp,
            "switch" => Stage::Switch,
            _ => Stage::Over,
        };
        Noted { stage, owner: text(2) }
    }

    /// Waits until the process works on the move and has come to a stage; false if it ended first.
    pub(crate) async fn reaches(&self, child: &mut Child, stage: Stage) -> bool {
        let owner = format!("process {}", child.id().unwrap());
        loop {
            let noted = self.noted().await;
            // The next number is another process.
            let is_its = noted
                .owner
                .strip_prefix(&owner)
                .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()));
            if is_its && noted.stage >= stage {
                return true;
            }
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Both outputs.
pub(crate) fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap()
}

/// A row as a list of values.
pub(crate) fn values(row: &Row) -> String {
    let Row { id, user, provider, token, created } = row;
    format!("('{id}', '{user}', '{provider}', '{token}', 1900000000, {created}, {created})")
}
