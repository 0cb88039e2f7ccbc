//! The pace of a move: what postpones its cutover, what throttles it, and what a resume changes.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Statement};
use serde_json::Value;
use session_core::Timestamp;
use session_core::clock::{Clock, Sleep, SystemClock};
use session_migrate::{Approval, MigrateErrorKind, Move, MoveSettings};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;
use tokio::process::Child;

use crate::blocked::refuses;
use crate::openwebui::{self, insert, token};
use crate::rollback::cancelled_while_loading;
use crate::snapshot::{changes, count, snapshot};
use crate::tool::Tool;

/// A file that is there until it is removed, or this value dropped.
pub(crate) struct Flag(std::path::PathBuf);

impl Flag {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("session-flag-{}", uuid::Uuid::now_v7()));
        std::fs::write(&path, "").unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Flag {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A clock that is a second further each time it is read.
#[derive(Debug)]
struct HastyClock(SystemClock, AtomicI64);

impl Clock for HastyClock {
    fn now(&self) -> Timestamp {
        let ahead = self.1.fetch_add(1000, Ordering::Relaxed);
        Timestamp::from_millis(self.0.now().as_millis() + ahead)
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, span: Duration) -> Sleep {
        self.0.sleep(span)
    }
}

/// Waits until `status` shows that the move waits for this.
async fn waits_for(tool: &Tool, child: &mut Child, what: &str) {
    let since = std::time::Instant::now();
    loop {
        assert!(since.elapsed() < Duration::from_secs(60), "it never waits for {what}");
        let status = tool.run("status", &["--json"]).await;
        let status: Value = serde_json::from_str(&status.out).unwrap_or_default();
        if status["moves"][0]["waits_for"] == what {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "it does not wait for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn ends_well(child: Child) -> Value {
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", crate::site::text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Creates a source with a table whose number throttles.
async fn gated(database: Database) -> Source {
    let source = openwebui::source(database, 12).await;
    source.run("CREATE TABLE gate (number INTEGER NOT NULL)").await;
    source.run("INSERT INTO gate VALUES (1)").await;
    source
}

const QUERY: &str = "SELECT number FROM gate";

on_every_database! {
    async fn a_file_postpones_the_cutover(database: Database) {
        let source = openwebui::source(database, 5).await;
        let (tool, flag) = (openwebui::tool(&source).words(&["--online"]), Flag::new());
        let words = ["--yes", "--json", "--cutover-when-removed", flag.path()];
        let mut child = tool.spawn("apply", &words);
        waits_for(&tool, &mut child, "flag_file").await;
        assert!(tool.run("status", &[]).await.out.contains("waits until the file"), "it says so");
        // What is written meanwhile is moved while it waits.
        insert(&source, "late", "late", "oidc", &token(600)).await;
        let since = std::time::Instant::now();
        while count(&source, "login_session WHERE user_id = 'late'").await == 0 {
            assert!(since.elapsed() < Duration::from_secs(60), "it does not catch up");
            assert!(child.try_wait().unwrap().is_none(), "it waits");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(flag);
        let report = ends_well(child).await;
        assert_eq!(report["phase"], "switched", "{report}");
        assert!(report["blocked_ms"].as_u64().is_some(), "{report}");
        assert_eq!(tool.done("status", &[]).await["moves"][0]["waits_for"], Value::Null);
    }

    async fn a_query_throttles(database: Database) {
        let source = gated(database).await;
        let tool = openwebui::tool(&source).words(&["--online", "--batch", "3"]);
        let words = ["--yes", "--throttle-query", QUERY];
        let stops = [&words[..], &["--throttle-timeout", "0"]].concat();
        let stopped = tool.run("apply", &stops).await;
        assert_eq!(stopped.code, Some(1), "{stopped:?}");
        assert!(stopped.errors.contains("a throttle has stopped the move"), "{stopped:?}");
        assert_eq!(tool.done("status", &[]).await["moves"][0]["phase"], "fill");
        let waits = [&words[..], &["--json", "--throttle-timeout", "3600"]].concat();
        let mut child = tool.spawn("apply", &waits);
        waits_for(&tool, &mut child, "query").await;
        source.run("UPDATE gate SET number = 0").await;
        ends_well(child).await;
        tool.done("rollback", &[]).await;
        source.run("UPDATE gate SET number = 7").await;
        let above = [&words[..], &["--throttle-above", "7"]].concat();
        tool.done("apply", &above).await;
        tool.done("rollback", &[]).await;
        let goes_on = [&stops[..], &["--on-throttle-timeout", "go-on"]].concat();
        tool.done("apply", &goes_on).await;
        tool.done("rollback", &[]).await;
        let text = ["--yes", "--throttle-query", "SELECT 'many'"];
        let refused = tool.run("apply", &text).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.errors.contains("returns no number"), "{refused:?}");
    }

    async fn a_row_that_is_read_twice_while_it_changes_its_user_is_in_one_table(database: Database) {
        let source = gated(database).await;
        for (key, user) in [("a", "a"), ("z-1", "z"), ("z-2", "z")] {
            insert(&source, key, user, "oidc", &token(700)).await;
        }
        let words = ["--online", "--batch", "3", "--max-sessions", "2"];
        let tool = openwebui::tool(&source).words(&words);
        let words = ["--yes", "--json", "--throttle-query", QUERY, "--throttle-timeout", "3600"];
        let mut child = tool.spawn("apply", &words);
        waits_for(&tool, &mut child, "query").await;
        // It was read ahead, and gets a user further on in the order, where it is over the cap.
        source.run("UPDATE oauth_session SET user_id = 'z' WHERE user_id = 'a'").await;
        source.run("UPDATE gate SET number = 0").await;
        ends_well(child).await;
        assert_eq!(count(&source, "login_session WHERE user_id IN ('a', 'z')").await, 2);
        assert_eq!(count(&source, "session_move_aside WHERE user_id = 'z'").await, 1);
        tool.done("verify", &[]).await;
    }

    async fn load_and_lag_throttle(database: Database) {
        let kind = database.kind();
        let source = openwebui::source(database, 3).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        if kind == Kind::Sqlite {
            let refused = tool.run("apply", &["--yes", "--max-load", "9"]).await;
            assert!(refused.code == Some(2) && refused.errors.contains("has no server"), "{refused:?}");
            return;
        }
        let replica = ["--yes", "--max-lag", "1", "--replica", source.database.url()];
        let refused = tool.run("apply", &replica).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.errors.contains("not the address of a replica"), "{refused:?}");
        // The limit belongs to the move now, and is of no use without a replica.
        tool.done("abort", &[]).await;
        let sleep = if kind == Kind::Postgres { "SELECT pg_sleep(30)" } else { "SELECT SLEEP(30)" };
        let busy = source.database.connect_with(|_| ()).await;
        let sleep = Statement::from_string(busy.get_database_backend(), sleep);
        let asleep = tokio::spawn(async move { busy.query_one_raw(sleep).await.map(drop) });
        while !tool.run("apply", &["--yes", "--critical-load", "0"]).await.errors.contains("statements, more than 0") {
            assert!(!asleep.is_finished(), "the load is never seen");
        }
        asleep.abort();
        tool.done("apply", &["--yes", "--max-load", "100000", "--critical-load", "100000"]).await;
    }

    async fn a_resume_changes_settings(database: Database) {
        let source = gated(database).await;
        let (tool, flag) = (openwebui::tool(&source).words(&["--online"]), Flag::new());
        let words = ["--yes", "--json", "--batch", "2", "--cutover-when-removed", flag.path()];
        let mut child = tool.spawn("apply", &words);
        waits_for(&tool, &mut child, "flag_file").await;
        tool.done("pause", &[]).await;
        tool.run("resume", &["--set", "max-sessions=5"]).await.ends(2, "cannot be set");
        tool.run("resume", &["--set", "batch=many"]).await.ends(2, "batch takes a number");
        // The process goes on with what is set.
        let query = format!("throttle-query={QUERY}");
        tool.done("resume", &["--set", "max-lag=", "--set", &query, "--set", "batch=5"]).await;
        let settings = tool.done("status", &[]).await["moves"][0]["settings"].clone();
        assert_eq!((&settings["batch"], &settings["throttle_query"]), (&5.into(), &QUERY.into()));
        insert(&source, "late", "late", "oidc", &token(600)).await;
        waits_for(&tool, &mut child, "query").await;
        drop(flag);
        tool.done("pause", &[]).await;
        tool.done("resume", &["--set", "throttle-query="]).await;
        ends_well(child).await;
        tool.run("resume", &["--set", "batch=5"]).await.ends(1, "no rows are moved");
    }

    async fn a_resume_sets_what_the_process_was_given(database: Database) {
        let source = gated(database).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        let words = ["--yes", "--json", "--batch", "3", "--throttle-query", QUERY];
        let mut child = tool.spawn("apply", &words);
        waits_for(&tool, &mut child, "query").await;
        tool.done("resume", &["--set", "throttle-query="]).await;
        let ended = tokio::time::timeout(Duration::from_secs(30), ends_well(child)).await;
        assert_eq!(ended.expect("it goes on")["phase"], "switched");
    }

    async fn a_lag_without_a_replica_is_refused(database: Database) {
        let source = openwebui::source(database, 3).await;
        let before = snapshot(&source).await;
        let mut settings = MoveSettings::default();
        settings.set("max-lag", "5").unwrap();
        let options = openwebui::tool(&source).options("openwebui").settings(settings);
        let error = Move::new(options).apply(Approval::Unreviewed).await.unwrap_err();
        assert_eq!(error.kind(), MigrateErrorKind::Usage, "{error}");
        assert_eq!(changes(&before, &snapshot(&source).await), [""; 0]);
        // Nor does a resume set it for a process that was given no replica.
        let tool = openwebui::tool(&source).words(&["--online"]);
        cancelled_while_loading(&tool, true).await;
        let refused = tool.run("resume", &["--set", "max-lag=5"]).await;
        assert!(refused.code == Some(2) && refused.errors.contains("--replica"), "{refused:?}");
        tool.done("resume", &["--set", "max-lag="]).await;
    }

    async fn a_move_that_was_killed_at_its_cutover_waits_without_a_block(database: Database) {
        let source = openwebui::source(database, 3).await;
        let write = "UPDATE oauth_session SET expires_at = 7 WHERE id = 'id-001'";
        let (tool, flag) = (openwebui::tool(&source), Flag::new());
        for words in [&["--online"][..], &[]] {
            let tool = tool.clone().words(words);
            tool.moved().await;
            source.run("UPDATE session_move SET phase = 'switch', state = 'held', switched_at = NULL").await;
            refuses(&source, write).await;
            let words = ["--yes", "--json", "--cutover-when-removed", flag.path()];
            let mut child = tool.spawn("apply", &words);
            waits_for(&tool, &mut child, "flag_file").await;
            source.run(write).await;
            tool.done("pause", &[]).await;
            tool.done("resume", &["--set", "cutover-when-removed="]).await;
            let ended = tokio::time::timeout(Duration::from_secs(30), ends_well(child)).await;
            ended.expect("it goes on");
            refuses(&source, write).await;
            assert_eq!(tool.done("verify", &[]).await["mismatches"], 0);
            tool.done("rollback", &[]).await;
        }
    }

    async fn a_resume_knows_a_process_whatever_time_it_is(database: Database) {
        let source = openwebui::source(database, 3).await;
        source.database.migrate().await;
        let (tool, flag) = (openwebui::tool(&source), Flag::new());
        let mut settings = MoveSettings::default();
        settings.set("cutover-when-removed", flag.path()).unwrap();
        let clock = HastyClock(SystemClock::new(), AtomicI64::new(0));
        let moving = Move::new(tool.options("openwebui").settings(settings).clock(clock));
        let applying = tokio::spawn(async move { moving.apply(Approval::Unreviewed).await });
        while count(&source, "session_move WHERE progress LIKE '%flag_file%'").await == 0 {
            assert!(!applying.is_finished(), "it waits for the file");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(tool.done("resume", &[]).await["applied"], Value::Null);
        drop(flag);
        applying.await.unwrap().unwrap();
    }
}
