//! The block on the writes of a source: a rollback writes back behind it, and it can always be
//! lifted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sea_orm_migration::sea_orm::ConnectionTrait as _;
use session_migrate::capture::ChangeCapture;
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;
use tokio::process::Command;

use crate::behind::run_at_cutover;
use crate::openwebui;
use crate::random::Random;
use crate::rollback::{all_opened, cancelled_while_loading, opened, renewed};
use crate::seed::{USERS, rows};
use crate::signal;
use crate::site::{Site, Stage, text};
use crate::snapshot::{changes, count, snapshot, texts};
use crate::target::Target;
use crate::tool::PROGRAM;

const WRITE: &str = "UPDATE oauth_session SET expires_at = 7 WHERE id = 'id-001'";

/// Runs `unblock`, confirmed, with no more than the address of the source.
async fn unblock(source: &Source) -> serde_json::Value {
    let mut command = Command::new(PROGRAM);
    for name in ["SESSION_KEYS", "SESSION_MIGRATE_SOURCE_KEY", "DATABASE_URL"] {
        command.env_remove(name);
    }
    let output =
        command.args(["unblock", "--yes", "--json", "--from", source.database.url()]).output();
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a write, which the block must refuse.
#[track_caller]
pub(crate) fn refuses(source: &Source, write: &str) -> impl Future<Output = ()> {
    let write = write.to_owned();
    async move {
        let error = source.connection.execute_unprepared(&write).await.expect_err("it is blocked");
        assert!(error.to_string().contains(ChangeCapture::BLOCK_TEXT), "{error}");
    }
}

/// Drops the triggers that block writes, as an administrator may.
async fn drop_block(source: &Source) {
    let (sql, on) = match source.kind() {
        Kind::Sqlite => {
            ("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_bar_%'", "")
        }
        Kind::Postgres => (
            "SELECT tgname::text FROM pg_trigger WHERE tgname LIKE 'session_move_%_bar_%'",
            " ON oauth_session",
        ),
        Kind::MariaDb | Kind::MySql => (
            "SELECT CAST(TRIGGER_NAME AS CHAR) FROM information_schema.TRIGGERS \
             WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME LIKE '%_bar_%'",
            "",
        ),
    };
    let names = texts(&source.connection, sql, 0).await;
    assert!(!names.is_empty(), "it is blocked");
    for name in names {
        source.run(&format!("DROP TRIGGER {name}{on}")).await;
    }
}

on_every_database! {
    async fn a_block_that_goes_while_a_rollback_waits_lets_nothing_be_overwritten(database: Database) {
        let source = openwebui::source(database, 5).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let target = Target::of(&source.database).await;
        renewed(&target, "id-002").await;
        target.close().await;
        // A renewal under way, for whose end the rollback waits.
        source.run("UPDATE login_session SET lease_owner = moved_by WHERE user_id = 'u3'").await;
        let mut child = tool.spawn("rollback", &[]);
        while count(&source, "session_move WHERE phase = 'roll_back'").await == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it waits");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop_block(&source).await;
        let newer = openwebui::token(777);
        source.run(&format!("UPDATE oauth_session SET token = '{newer}' WHERE id = 'id-002'")).await;
        source.run("UPDATE login_session SET lease_owner = NULL").await;
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("are not blocked any more"), "{}", text(&output));
        assert_eq!(opened(&source, "id-002").await, ["at-777", "rt-777"]);
    }

    async fn a_writer_gets_in_only_after_everything_is_written_back(database: Database) {
        let source = openwebui::source(database, 40).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let target = Target::of(&source.database).await;
        let mut tokens = Vec::new();
        for at in 0..40 {
            let key = format!("id-{at:03}");
            tokens.push((key.clone(), renewed(&target, &key).await));
        }
        target.close().await;
        let writing = async {
            while source.connection.execute_unprepared(WRITE).await.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // In one read: what is not there now was not there when the write got in.
            let now = all_opened(&source).await;
            for (key, tokens) in &tokens {
                assert_eq!(now.get(key), Some(tokens), "{key} was written back before");
            }
        };
        let rolling = tool.done("rollback", &[]);
        let (rolled, ()) = tokio::join!(rolling, writing);
        assert_eq!(rolled["written_back"], 40);
    }

    async fn a_killed_rollback_overwrites_nothing_newer(database: Database) {
        let mut random = Random::new(&format!("killed rollbacks on {}", database.kind()));
        let source = openwebui::source(database, 40).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let target = Target::of(&source.database).await;
        let mut expected = BTreeMap::new();
        for at in 0..40 {
            let key = format!("id-{at:03}");
            let tokens = renewed(&target, &key).await;
            expected.insert(key, tokens);
        }
        target.close().await;
        let newer = format!("UPDATE oauth_session SET token = '{}' WHERE id = 'id-007'", openwebui::token(777));
        let mut kills: u32 = 0;
        loop {
            let mut child = tool.spawn("rollback", &["--batch", "3"]);
            let max = Duration::from_millis(60 + 20 * u64::from(kills));
            let killed_at = Instant::now() + random.within(max);
            // The old application writes as soon as it can.
            while Instant::now() < killed_at && child.try_wait().unwrap().is_none() {
                if source.connection.execute_unprepared(&newer).await.is_ok() {
                    expected.insert("id-007".to_owned(), ["at-777".to_owned(), "rt-777".to_owned()]);
                }
            }
            child.start_kill().unwrap();
            let output = child.wait_with_output().await.unwrap();
            match output.status.code() {
                None => kills += 1,
                Some(0) => break,
                // The previous one was killed after its work and before its exit.
                Some(_) if kills > 0 && text(&output).contains("no such move") => break,
                Some(_) => panic!("after {kills} kills: {}", text(&output)),
            }
        }
        println!("killed {kills} times");
        let now = all_opened(&source).await;
        for (key, tokens) in &expected {
            assert_eq!(now.get(key), Some(tokens), "{key} after {kills} kills");
        }
    }

    async fn a_rollback_never_overwrites_what_came_in_through_a_lifted_block(database: Database) {
        let source = openwebui::source(database, 5).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        tool.moved().await;
        let target = Target::of(&source.database).await;
        renewed(&target, "id-002").await;
        target.close().await;
        unblock(&source).await;
        let newer = openwebui::token(777);
        source.run(&format!("UPDATE oauth_session SET token = '{newer}' WHERE id = 'id-002'")).await;
        tool.run("rollback", &[]).await.ends(1, "not blocked");
        assert_eq!(opened(&source, "id-002").await, ["at-777", "rt-777"]);
        tool.done("rollback", &["--discard-renewed"]).await;
        assert_eq!(opened(&source, "id-002").await, ["at-777", "rt-777"]);
    }

    async fn a_source_that_was_unblocked_is_not_finalized(database: Database) {
        let source = openwebui::source(database, 3).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        unblock(&source).await;
        source.run(WRITE).await;
        tool.run("finalize", &[]).await.ends(1, "the triggers that block writes");
    }

    async fn a_source_without_its_target_is_as_it_was(database: Database) {
        let source = openwebui::source(database, 3).await;
        let before = snapshot(&source).await;
        let target = Source::on(Database::create(source.kind()).await).await;
        let tool = openwebui::tool(&source).to(target.database.url());
        cancelled_while_loading(&tool, true).await;
        drop(target);
        let report = unblock(&source).await;
        assert_eq!((report["lifted"].as_array().unwrap().len(), &report["logs"]), (0, &1.into()));
        assert_eq!(changes(&before, &snapshot(&source).await), [""; 0]);
    }

    async fn an_apply_does_not_open_once_its_block_is_lifted(database: Database) {
        let source = openwebui::source(database, 3).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        tool.moved().await;
        // As if it were still at the cutover.
        source.run("UPDATE session_move SET phase = 'switch', state = 'held', switched_at = NULL").await;
        let runner = async || crate::snapshot::runner(&source).await;
        let before = runner().await;
        unblock(&source).await;
        assert_ne!(runner().await, before, "what worked on it has lost the lease");
        // The log stays, because the move is on record.
        tool.done("apply", &["--yes"]).await;
        assert_eq!(tool.done("verify", &[]).await["mismatches"], 0);
    }

    async fn a_source_is_unblocked_without_its_target(database: Database) {
        let source = openwebui::source(database, 3).await;
        assert_eq!(unblock(&source).await["lifted"].as_array().unwrap().len(), 0);
        let target = Source::on(Database::create(source.kind()).await).await;
        let tool = openwebui::tool(&source).to(target.database.url());
        let run = tool.done("apply", &["--yes"]).await["run"].clone();
        for table in ["session_move", "session_move_aside", "login_session", "session_migration"] {
            target.run(&format!("DROP TABLE {table}")).await;
        }
        tool.run("rollback", &[]).await.ends(1, "no such move");
        refuses(&source, WRITE).await;
        let lifted = unblock(&source).await;
        assert_eq!(lifted["schema"], "session-migrate/unblock/1");
        assert_eq!((&lifted["lifted"][0]["table"], &lifted["lifted"][0]["run"]), (&"oauth_session".into(), &run));
        source.run(WRITE).await;
    }

    async fn the_tables_stay_while_a_move_is_on_record(database: Database) {
        let source = openwebui::source(database, 3).await;
        let tool = openwebui::tool(&source);
        let down = async || {
            let url = source.database.url();
            Command::new(PROGRAM).args(["down", "--yes", "--to", url]).output().await.unwrap()
        };
        let moved = tool.moved().await;
        let refused = down().await;
        assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
        assert!(text(&refused).contains("rollback"), "{}", text(&refused));
        assert_eq!(tool.done("verify", &[]).await["target_rows"], moved["target_rows"]);
        tool.done("finalize", &[]).await;
        assert!(down().await.status.success());
    }

    async fn a_termination_at_the_cutover_leaves_no_block(kind: Kind) {
        let users: Vec<String> = (0..USERS).map(|at| format!("u{at}")).collect();
        let words = ["--online", "--yes"];
        let mut hits = 0;
        for _ in 0..12 {
            let site = Site::new(kind, &users, &rows(1500), false).await;
            site.database.migrate().await;
            // So that there is something to apply behind the block.
            let change = "UPDATE oauth_session SET expires_at = expires_at + 1 WHERE id <> ''";
            run_at_cutover(&site, change).await;
            let mut child = site.spawn("apply", &words);
            let is_there = site.reaches(&mut child, Stage::Switch).await;
            assert!(is_there, "it ended before the cutover");
            if site.journal_entry().await.stage == Stage::Done {
                continue;
            }
            signal(&child, "-TERM").await;
            let output = child.wait_with_output().await.unwrap();
            if output.status.code() == Some(0) {
                continue;
            }
            assert_eq!(output.status.code(), Some(1), "{}", text(&output));
            if site.journal_entry().await.stage == Stage::Done {
                // The target was opened: the source stays blocked.
                continue;
            }
            site.run("UPDATE oauth_session SET expires_at = 7").await;
            hits += 1;
            if hits == 3 {
                return;
            }
        }
        panic!("{kind}: the signal came in time {hits} times only");
    }

    async fn a_second_signal_ends_at_once(kind: Kind) {
        let users: Vec<String> = (0..USERS).map(|at| format!("u{at}")).collect();
        let site = Site::new(kind, &users, &rows(30), false).await;
        let mut child = site.spawn("apply", &["--online", "--yes", "--batch", "1"]);
        assert!(site.reaches(&mut child, Stage::Fill).await);
        // Its batch waits for this, and so does the first signal.
        let stuck = stuck(&site).await;
        signal(&child, "-INT").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        signal(&child, "-INT").await;
        let ended = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
        assert!(ended.expect("it ends").unwrap().code().is_none_or(|code| code != 0));
        stuck.close().await;
    }
}

/// A transaction that keeps every batch of a move waiting.
struct Stuck(sea_orm_migration::sea_orm::DatabaseTransaction);

impl Stuck {
    async fn close(self) {
        self.0.rollback().await.unwrap();
    }
}

async fn stuck(site: &Site) -> Stuck {
    use sea_orm_migration::sea_orm::TransactionTrait as _;

    let transaction = site.connection.begin().await.unwrap();
    let lock = match site.kind() {
        // A write, after which there is no other writer.
        Kind::Sqlite => "UPDATE session_move SET owner = owner",
        Kind::Postgres => "LOCK TABLE session_move IN ACCESS EXCLUSIVE MODE",
        _ => "SELECT * FROM session_move FOR UPDATE",
    };
    transaction.execute_unprepared(lock).await.unwrap();
    Stuck(transaction)
}
