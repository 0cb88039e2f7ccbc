//! Processes that a server's lock does not keep apart, as behind a pooler or on two nodes of a cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, Statement, TransactionTrait as _,
};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::control::{WORDS, apply, is_moved, site};
use crate::openwebui;
use crate::rollback::{all_opened, renewed};
use crate::signal;
use crate::site::{Stage, text};
use crate::target::Target;

async fn number(source: &Source, sql: &str) -> i64 {
    let sql = Statement::from_string(source.connection.get_database_backend(), sql);
    let row = source.connection.query_one_raw(sql).await.unwrap();
    row.map_or(0, |row| row.try_get_by_index::<Option<i64>>(0).unwrap().unwrap_or(0))
}

/// Waits until so many transactions of this database wait for a lock.
async fn waiting(source: &Source, transactions: i64) {
    let sql = match source.kind() {
        Kind::Postgres => {
            "SELECT count(DISTINCT l.pid)::bigint FROM pg_locks l JOIN pg_stat_activity a \
             ON a.pid = l.pid WHERE NOT l.granted AND a.datname = current_database()"
        }
        _ => {
            "SELECT COUNT(*) FROM information_schema.INNODB_TRX t \
             JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id \
             WHERE t.trx_state = 'LOCK WAIT' AND p.DB = DATABASE()"
        }
    };
    let all = async {
        while number(source, sql).await < transactions {
            // InnoDB shows an older state to who asks more often than every 100 ms.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("they wait");
}

/// Ends the connection that has the lock of the moves, and nothing else of its process.
async fn end_the_lock(source: &Source) {
    let sql = match source.kind() {
        Kind::Postgres => {
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                .to_owned()
        }
        _ => {
            let holder = "SELECT IS_USED_LOCK(CONCAT('session-move:', LEFT(SHA2(DATABASE(), 256), 40)))";
            format!("KILL {}", number(source, holder).await)
        }
    };
    source.connection.execute_unprepared(&sql).await.unwrap();
}

async fn locked(source: &Source, rows: &str) -> DatabaseTransaction {
    let transaction = source.connection.begin().await.unwrap();
    transaction.execute_unprepared(&format!("SELECT 1 FROM {rows} FOR UPDATE")).await.unwrap();
    transaction
}

on_every_database! {
    async fn a_rollback_that_lost_its_lock_writes_no_more(database: Database) {
        if database.kind() == Kind::Sqlite {
            // The lock of a file is the system's.
            return;
        }
        let source = openwebui::source(database, 12).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let target = Target::of(&source.database).await;
        let mut expected = BTreeMap::new();
        for at in 0..12 {
            let key = format!("id-{at:03}");
            expected.insert(key.clone(), renewed(&target, &key).await);
        }
        target.close().await;
        let row = locked(&source, "oauth_session WHERE id = 'id-005'").await;
        let first = tool.spawn("rollback", &["--batch", "1"]);
        waiting(&source, 1).await;
        end_the_lock(&source).await;
        let second = tool.spawn("rollback", &["--batch", "1"]);
        waiting(&source, 2).await;
        row.rollback().await.unwrap();
        let first = first.wait_with_output().await.unwrap();
        let second = second.wait_with_output().await.unwrap();
        assert_eq!(first.status.code(), Some(1), "{}", text(&first));
        assert!(text(&first).contains("taken over"), "{}", text(&first));
        assert_eq!(second.status.code(), Some(0), "{}", text(&second));
        let now = all_opened(&source).await;
        for (key, tokens) in &expected {
            assert_eq!(now.get(key), Some(tokens), "{key}");
        }
    }

    async fn unlock_ends_every_connection_of_a_stopped_process(kind: Kind) {
        if kind == Kind::Sqlite {
            return;
        }
        let site = site(kind).await;
        let mut child = apply(&site);
        assert!(site.reaches(&mut child, Stage::Fill).await);
        // Its batch waits for this row of the journal, and gets it while it is stopped.
        let row = locked(&site, "session_move").await;
        waiting(&site, 1).await;
        signal(&child, "-STOP").await;
        row.rollback().await.unwrap();
        site.succeed("unlock", &WORDS).await;
        let words = [WORDS.as_slice(), &["--yes"]].concat();
        let next = site.call("apply", &words);
        let next = tokio::time::timeout(Duration::from_secs(60), next).await.expect("it does not hang");
        assert!(next.status.success(), "{}", text(&next));
        signal(&child, "-CONT").await;
        let first = child.wait_with_output().await.unwrap();
        assert_eq!(first.status.code(), Some(1), "{}", text(&first));
        is_moved(&site).await;
    }
}
