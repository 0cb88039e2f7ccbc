//! Several sources and several targets: a move belongs to its source, and a block to its move.

use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::blocked::refuses;
use crate::openwebui;
use crate::pace::{Flag, ends_well};
use crate::refusals::File;
use crate::rollback::cancelled_while_loading;
use crate::snapshot::{changes, count, snapshot};
use crate::tool::{Tool, rows};

pub(crate) const MAPPING: &str = r#"
[[mapping]]
table = "accounts"
key = ["id"]
user = { column = "owner" }
provider = { constant = "github" }
tokens.access = { column = "token" }
"#;

/// Creates a source whose rows have serial keys, as those of every other such source.
pub(crate) async fn accounts(kind: Kind, owner: &str) -> Source {
    let source = Source::on(Database::create(kind).await).await;
    source.run("CREATE TABLE accounts (id INTEGER NOT NULL PRIMARY KEY, owner VARCHAR(9), token VARCHAR(9))").await;
    for at in 1..=6 {
        source
            .run(&format!("INSERT INTO accounts VALUES ({at}, '{owner}{at}', '{owner}-t{at}')"))
            .await;
    }
    source
}

pub(crate) const WRITE: &str = "UPDATE accounts SET token = token WHERE id = 1";

on_every_database! {
    async fn the_tables_go_with_the_last_of_two_moves_in_either_order(kind: Kind) {
        let file = File::with(MAPPING);
        for is_first_first in [true, false] {
            let source = openwebui::source(Database::create(kind).await, 3).await;
            source.run("CREATE TABLE accounts (id INTEGER NOT NULL PRIMARY KEY, owner VARCHAR(9), token VARCHAR(9))").await;
            source.run("INSERT INTO accounts VALUES (1, 'a', 't')").await;
            let before = snapshot(&source).await;
            let (first, second) = (openwebui::tool(&source), Tool::new(source.database.url()).words(&["--mapping", file.path()]));
            first.moved().await;
            second.moved().await;
            for tool in if is_first_first { [&first, &second] } else { [&second, &first] } {
                tool.done("rollback", &[]).await;
            }
            assert_eq!(changes(&before, &snapshot(&source).await), [""; 0]);
        }
    }

    async fn two_sources_with_one_mapping_move_into_one_target(database: Database) {
        let (kind, file) = (database.kind(), File::with(MAPPING));
        let target = Source::on(database).await;
        let (one, other) = (accounts(kind, "a").await, accounts(kind, "b").await);
        let tool = |source: &Source| {
            let tool = Tool::new(source.database.url()).words(&["--mapping", file.path()]);
            tool.to(target.database.url())
        };
        let (first, second) = (tool(&one), tool(&other));
        let moved = first.moved().await;
        let before = snapshot(&target).await;
        // The move of the first is not the second's.
        for call in ["verify", "rollback", "finalize", "pause", "resume"] {
            second.run(call, &[]).await.ends(1, "--name");
        }
        assert_eq!(changes(&before, &snapshot(&target).await), [""; 0]);
        let also = second.moved().await;
        assert_eq!((&also["target_rows"], &moved["target_rows"]), (&6.into(), &6.into()));
        let ids = |verified: &serde_json::Value| -> Vec<String> {
            rows(verified).iter().map(|row| row["id"].to_string()).collect()
        };
        assert!(ids(&also).iter().all(|id| !ids(&moved).contains(id)), "ids are the source's own");
        let status = first.done("status", &[]).await;
        let identities: Vec<_> = status["moves"].as_array().unwrap().iter().map(|of| of["source"].as_str().unwrap()).collect();
        assert_ne!(identities[0], identities[1], "{status}");
        assert_eq!(second.done("rollback", &[]).await["removed"], 6);
        other.run(WRITE).await;
        refuses(&one, WRITE).await;
        let verified = first.done("verify", &[]).await;
        assert_eq!((&verified["target_rows"], &verified["mismatches"]), (&6.into(), &0.into()));
    }

    async fn a_name_stands_for_the_source(database: Database) {
        let source = openwebui::source(database, 3).await;
        let tool = openwebui::tool(&source);
        let named = tool.clone().words(&["--name", "production"]);
        named.moved().await;
        tool.run("rollback", &[]).await.ends(1, "production");
        tool.clone().words(&["--name", "staging"]).run("rollback", &[]).await.ends(1, "production");
        assert_eq!(named.done("status", &[]).await["moves"][0]["source"], "production");
        named.done("rollback", &[]).await;
    }

    async fn a_block_is_lifted_by_its_own_move_alone(database: Database) {
        let (kind, source) = (database.kind(), openwebui::source(database, 20).await);
        let write = "UPDATE oauth_session SET expires_at = 2 WHERE id = 'id-001'";
        let (one, other) = (Database::create(kind).await, Database::create(kind).await);
        let first = openwebui::tool(&source).to(one.url());
        let second = openwebui::tool(&source).to(other.url());
        cancelled_while_loading(&second, true).await;
        first.moved().await;
        // The other move does not go on: the sessions were moved elsewhere.
        second.run("apply", &["--yes", "--online"]).await.ends(1, "blocked by the move");
        second.done("rollback", &[]).await;
        refuses(&source, write).await;
        second.run("apply", &["--yes"]).await.ends(1, "blocked by the move");
        first.done("rollback", &[]).await;
        source.run(write).await;
    }
}

on_every_database! {
    async fn an_abort_that_finds_another_move_is_no_success(database: Database) {
        let (kind, source) = (database.kind(), openwebui::source(database, 3).await);
        let (target, other) = (Database::create(kind).await, Database::create(kind).await);
        let tool = openwebui::tool(&source).to(target.url());
        let named = tool.clone().words(&["--name", "prod"]);
        named.moved().await;
        tool.run("abort", &[]).await.ends(1, "--name");
        // The source shows the block of a move that this target does not know.
        let elsewhere = openwebui::tool(&source).to(other.url());
        elsewhere.run("abort", &[]).await.ends(1, "oauth_session");
        named.done("abort", &[]).await;
        for tool in [tool, elsewhere] {
            assert!(tool.done("abort", &[]).await["was"].is_null());
        }
    }

    async fn a_resume_does_not_take_another_move_for_its_own(database: Database) {
        let kind = database.kind();
        let other = openwebui::source(Database::create(kind).await, 5).await;
        let (one, file) = (accounts(kind, "a").await, File::with(MAPPING));
        let (target, flag) = (Source::on(database).await, Flag::new());
        let left = openwebui::tool(&other).to(target.database.url());
        cancelled_while_loading(&left, true).await;
        let tool = Tool::new(one.database.url()).words(&["--mapping", file.path()]);
        let tool = tool.to(target.database.url());
        let words = ["--online", "--yes", "--json", "--cutover-when-removed", flag.path()];
        let mut child = tool.spawn("apply", &words);
        while count(&target, "session_move WHERE progress LIKE '%flag_file%'").await == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it waits for the file");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        left.run("resume", &[]).await.ends(1, "another process is migrating");
        assert_eq!(tool.done("resume", &[]).await["applied"], serde_json::Value::Null);
        drop(flag);
        ends_well(child).await;
        assert_eq!(left.done("resume", &[]).await["applied"]["phase"], "switched");
    }
}

/// A copy of a file takes the journal with it, and is another source all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_file_is_another_source() {
    let source = openwebui::source(Database::create(Kind::Sqlite).await, 3).await;
    let tool = openwebui::tool(&source);
    tool.moved().await;
    let path = source
        .database
        .url()
        .strip_prefix("sqlite://")
        .unwrap()
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    source.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let copied = format!("{path}.copy");
    std::fs::copy(&path, &copied).unwrap();
    let copy = Tool::new(&format!("sqlite://{copied}"))
        .words(&["--preset", "openwebui"])
        .key(openwebui::KEY);
    for call in ["rollback", "finalize", "verify"] {
        copy.run(call, &[]).await.ends(1, "--name");
    }
    let status = copy.done("status", &[]).await;
    let identity = status["moves"][0]["source"].as_str().unwrap();
    // Named, it is taken for the original.
    copy.clone().words(&["--name", identity]).done("rollback", &[]).await;
    assert_eq!(tool.done("verify", &[]).await["mismatches"], 0);
    std::fs::remove_file(&copied).unwrap();
}
