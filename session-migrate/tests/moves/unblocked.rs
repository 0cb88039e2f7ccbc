//! Sources whose writes are not blocked: those that take no triggers, and those that are in use.

use std::time::Duration;

use sea_orm_migration::sea_orm::ConnectionTrait as _;
use sea_orm_migration::sea_orm::TransactionTrait as _;
use session_core::Timestamp;
use session_core::clock::{Clock, Sleep, SystemClock};
use session_migrate::{Approval, MigrateErrorKind, Move, Phase};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::openwebui;
use crate::refusals::File;
use crate::sources::{MAPPING, WRITE, accounts};
use crate::tool::Tool;

/// A clock that runs a hundred times as fast.
#[derive(Debug)]
struct FastClock(SystemClock);

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic() * 100
    }

    fn sleep(&self, span: Duration) -> Sleep {
        self.0.sleep(span / 100)
    }
}

/// A mapping of a second table, or of what looks like one.
fn second(table: &str) -> String {
    format!(
        "[[mapping]]\ntable = \"{table}\"\nkey = [\"id\"]\nuser = {{ column = \"owner\" }}\n\
         provider = {{ constant = \"gitlab\" }}\ntokens.access = {{ column = \"token\" }}\n"
    )
}

/// Applies offline, and checks that no table is blocked and that both reports say so.
async fn is_moved_unblocked(source: &Source, tool: &Tool) {
    for _ in 0..2 {
        let applied = tool.done("apply", &["--yes"]).await;
        assert_eq!(applied["phase"], "switched", "{applied}");
        let notes = applied["notes"].to_string();
        assert!(notes.contains("writes to the source are not blocked"), "{notes}");
        assert!(!notes.contains("are blocked"), "{notes}");
    }
    source.run(WRITE).await;
    tool.done("finalize", &[]).await;
}

on_every_database! {
    async fn a_view_is_not_said_to_be_blocked(kind: Kind) {
        let source = accounts(kind, "a").await;
        source.run("CREATE VIEW more AS SELECT id, owner, token FROM accounts").await;
        let file = File::with(&second("more"));
        let tool = Tool::new(source.database.url()).words(&["--mapping", file.path()]);
        is_moved_unblocked(&source, &tool).await;
    }

    async fn a_table_beside_a_view_is_not_blocked_either(kind: Kind) {
        let source = accounts(kind, "a").await;
        source.run("CREATE VIEW more AS SELECT id, owner, token FROM accounts").await;
        let file = File::with(&format!("{MAPPING}{}", second("more")));
        let tool = Tool::new(source.database.url()).words(&["--mapping", file.path()]);
        is_moved_unblocked(&source, &tool).await;
    }
}

/// A virtual table takes no triggers, which shows when the first table is blocked already.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_block_is_lifted_again() {
    let source = accounts(Kind::Sqlite, "a").await;
    source.run("CREATE VIRTUAL TABLE more USING fts5(id, owner, token)").await;
    source.run("INSERT INTO more VALUES ('1', 'a1', 'm-t1')").await;
    let file = File::with(&format!("{MAPPING}{}", second("more")));
    let tool = Tool::new(source.database.url()).words(&["--mapping", file.path()]);
    is_moved_unblocked(&source, &tool).await;
}

/// Holds a row of the source while a move comes to its cutover.
async fn is_not_opened_over_a_writer(kind: Kind) {
    if !kind.is_available() {
        return;
    }
    let source = openwebui::source(Database::create(kind).await, 3).await;
    let target = Database::create(kind).await;
    let tool = openwebui::tool(&source).to(target.url());
    let writer = source.connection.begin().await.unwrap();
    let write = "UPDATE oauth_session SET expires_at = 7 WHERE id = 'id-001'";
    writer.execute_unprepared(write).await.unwrap();
    let options = tool.options("openwebui").online(false).clock(FastClock(SystemClock::new()));
    let error = Move::new(options).apply(Approval::Unreviewed).await.unwrap_err();
    assert_eq!(error.kind(), MigrateErrorKind::Source, "{error}");
    assert!(error.to_string().contains("the table is in use"), "{error}");
    let moving = Move::new(tool.options("openwebui").online(false));
    let (cancel, mut progress) = (moving.cancellation(), moving.progress());
    let watching = tokio::spawn(async move {
        let _ = progress.wait_for(|progress| progress.phase == Phase::Cutover).await;
        cancel.cancel();
    });
    let error = moving.apply(Approval::Unreviewed).await.unwrap_err();
    assert_eq!(error.kind(), MigrateErrorKind::Cancelled, "{error}");
    watching.await.unwrap();
    assert_eq!(tool.done("status", &[]).await["moves"][0]["phase"], "catch_up");
    writer.commit().await.unwrap();
    // It does not take writes away from what still uses the source.
    source.run(write).await;
    tool.done("apply", &["--yes"]).await;
    assert_eq!(tool.done("verify", &[]).await["mismatches"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_at_the_cutover_keeps_the_target_closed_on_postgres() {
    is_not_opened_over_a_writer(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_at_the_cutover_keeps_the_target_closed_on_mariadb() {
    is_not_opened_over_a_writer(Kind::MariaDb).await;
}
