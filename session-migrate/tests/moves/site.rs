//! A source of Open WebUI, and the command that moves it.

use std::ops::Deref;
use std::process::{Output, Stdio};
use std::time::Duration;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, QueryResult, Statement};
use serde_json::Value;
use session_tests::database::{Database, Kind};
use session_tests::projects::openwebui::{TABLES, cascading_tables};
use session_tests::source::Source;
use tokio::process::{Child, Command};

use crate::seed::{Row, environment};
use crate::tool::{DESTRUCTIVE, PROGRAM};

/// A source of Open WebUI, and the command that moves it.
#[derive(Debug)]
pub(crate) struct Site(Source);

impl Deref for Site {
    type Target = Source;

    fn deref(&self) -> &Source {
        &self.0
    }
}

/// The progress of a move, as the journal has it: the phase, with parts of `fill` told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// No entry in the journal yet: checks, the copy of a file, the tables.
    Expand,
    /// An entry without counts: the triggers of an online move.
    Capture,
    Fill,
    CatchUp,
    Switch,
    Done,
}

impl Stage {
    pub(crate) const BEFORE_THE_END: [Self; 5] =
        [Self::Expand, Self::Capture, Self::Fill, Self::CatchUp, Self::Switch];
}

/// The entry in the journal.
#[derive(Debug, Clone)]
pub(crate) struct JournalEntry {
    pub(crate) stage: Stage,
    pub(crate) owner: String,
}

impl Site {
    /// Creates a source with these users and rows.
    pub(crate) async fn new(
        kind: Kind,
        users: &[String],
        rows: &[Row],
        is_cascading: bool,
    ) -> Self {
        let database = Database::create(kind).await;
        let tables = if is_cascading { cascading_tables() } else { TABLES.to_owned() };
        let site = Self(Source::with(database, &tables).await);
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

    pub(crate) async fn query(&self, sql: &str) -> Vec<QueryResult> {
        let backend = self.connection.get_database_backend();
        let sql = Statement::from_string(backend, sql);
        self.connection.query_all_raw(sql).await.unwrap()
    }

    /// Returns the command with the arguments of the source.
    fn command(&self, task: &str, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env_remove("DATABASE_URL").envs(environment());
        command.args([task, "--from", self.database.url()]).args(words);
        // The target knows its moves.
        if task != "status" {
            command.args(["--preset", "openwebui"]);
        }
        if DESTRUCTIVE.contains(&task) {
            command.arg("--yes");
        }
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

    /// Runs a call that must succeed, and returns its output.
    pub(crate) async fn succeed(&self, task: &str, words: &[&str]) -> String {
        let output = self.call(task, words).await;
        assert!(output.status.success(), "{:?} {task} {words:?}: {}", self.kind(), text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `verify`, which must succeed, and returns its report.
    pub(crate) async fn verified(&self, words: &[&str]) -> Value {
        let text = self.succeed("verify", &[words, &["--json"]].concat()).await;
        serde_json::from_str(&text).unwrap()
    }

    /// Reads the journal, which may have no entry or no table yet.
    pub(crate) async fn journal_entry(&self) -> JournalEntry {
        let backend = self.connection.get_database_backend();
        let sql = "SELECT phase, progress, COALESCE(owner, '') FROM session_move";
        let row = self.connection.query_one_raw(Statement::from_string(backend, sql)).await;
        let Some(row) = row.ok().flatten() else {
            return JournalEntry { stage: Stage::Expand, owner: String::new() };
        };
        let text = |at: usize| row.try_get_by_index::<String>(at).unwrap();
        let progress: Value = serde_json::from_str(&text(1)).unwrap();
        let stage = match text(0).as_str() {
            "fill" if progress["expected"] == 0 => Stage::Capture,
            "fill" => Stage::Fill,
            "catch_up" => Stage::CatchUp,
            "switch" => Stage::Switch,
            _ => Stage::Done,
        };
        JournalEntry { stage, owner: text(2) }
    }

    /// Waits until the process has reached a stage of the move; returns false if it ended first.
    pub(crate) async fn reaches(&self, child: &mut Child, stage: Stage) -> bool {
        let owner = format!("process {}", child.id().unwrap());
        loop {
            let entry = self.journal_entry().await;
            // A longer number is another process.
            let is_its = entry
                .owner
                .strip_prefix(&owner)
                .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()));
            if is_its && entry.stage >= stage {
                return true;
            }
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Returns stdout and stderr.
pub(crate) fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap()
}

/// Formats a row as a list of values.
pub(crate) fn values(row: &Row) -> String {
    let Row { id, user, provider, token, created } = row;
    format!("('{id}', '{user}', '{provider}', '{token}', 1900000000, {created}, {created})")
}
