//! Transactions of others that are open.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use session_migrate::source::SourceErrorKind;
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use tokio::time::{sleep, timeout};

use crate::migrate_change::watched::{TOKENS, Watched, long, mapping, patience, tokens};
use session_tests::source::Source;

const INSERT: &str = "INSERT INTO tokens VALUES ";

async fn unwatched(database: Database) -> Watched {
    let source = Source::on(database).await;
    source.run(TOKENS).await;
    source.run("CREATE TABLE people (id VARCHAR(40) NOT NULL PRIMARY KEY)").await;
    let parent = "parent = [{ table = \"people\", column = \"id\" }]";
    Watched::before(source, &mapping("tokens", "\"id\"", parent)).await
}

on_every_database! {
    async fn start_waits_for_writers(database: Database) {
        // On SQLite there is one writer at a time, and this would be the other one.
        if database.kind() == Kind::Sqlite {
            return;
        }
        let watched = unwatched(database).await;
        let held = watched.source.connection.begin().await.unwrap();
        held.execute_unprepared(&format!("{INSERT} ('held', 'u', 'p', 't', 1)")).await.unwrap();
        let start = watched.start();
        tokio::pin!(start);
        assert!(timeout(Duration::from_millis(2500), &mut start).await.is_err());
        // Meanwhile the others can write, between the attempts.
        let other = format!("{INSERT} ('other', 'u', 'p', 't', 1)");
        let (written, ()) = tokio::join!(watched.source.connection.execute_unprepared(&other), async {
            let _ = timeout(Duration::from_millis(2500), &mut start).await;
        });
        written.unwrap();
        held.execute_unprepared(&format!("{INSERT} ('later', 'u', 'p', 't', 1)")).await.unwrap();
        held.commit().await.unwrap();
        start.await.unwrap();
        let (rows, _) = watched.table.batch(&watched.source.connection, None, 9).await.unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(watched.noted_of("DELETE FROM tokens WHERE id = 'held'").await, ["text \"held\""]);
    }

    async fn start_gives_up_and_leaves_nothing_in_the_way(database: Database) {
        if database.kind() == Kind::Sqlite {
            return;
        }
        let watched = unwatched(database).await;
        let held = watched.source.connection.begin().await.unwrap();
        held.execute_unprepared("INSERT INTO people VALUES ('ann')").await.unwrap();
        let connection = &watched.source.connection;
        let error = watched.watch.start(connection, &patience(Duration::ZERO)).await.unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Busy, "{error:?}");
        assert!(!error.is_misuse());
        let standing = watched.watch.state(connection).await.unwrap();
        assert!(!standing.is_capturing);
        // There all of it is one transaction.
        assert_eq!(standing.is_clean, watched.kind() == Kind::Postgres);
        watched.source.run(&format!("{INSERT} ('a', 'u', 'p', 't', 1)")).await;
        held.commit().await.unwrap();
        watched.start().await.unwrap();
        assert!(watched.watch.state(connection).await.unwrap().is_capturing);
    }

    async fn a_transaction_that_began_before_is_noted(database: Database) {
        if database.kind() == Kind::Sqlite {
            return;
        }
        let watched = unwatched(database).await;
        let options = sea_orm::TransactionOptions {
            isolation_level: Some(sea_orm::IsolationLevel::RepeatableRead),
            ..Default::default()
        };
        let old = watched.source.connection.begin_with_options(options).await.unwrap();
        // A snapshot from before, of another table.
        old.execute_unprepared("CREATE TEMPORARY TABLE mine (id INTEGER)").await.unwrap();
        old.execute_unprepared("INSERT INTO mine VALUES (1)").await.unwrap();
        watched.start().await.unwrap();
        old.execute_unprepared(&format!("{INSERT} ('old', 'u', 'p', 't', 1)")).await.unwrap();
        old.commit().await.unwrap();
        assert_eq!(watched.noted().await, ["text \"old\""]);
    }

    async fn ids_that_commit_out_of_order_lose_nothing(database: Database) {
        if database.kind() == Kind::Sqlite {
            return;
        }
        let watched = tokens(database).await;
        let connection = &watched.source.connection;
        let first = connection.begin().await.unwrap();
        first.execute_unprepared(&format!("{INSERT} ('first', 'u', 'p', 't', 1)")).await.unwrap();
        let second = connection.begin().await.unwrap();
        // So many that a database could find it cheaper to scan the log than to look them up.
        let rows: Vec<String> = (0..450).map(|at| format!("('second-{at}', 'u', 'p', 't', 1)")).collect();
        second.execute_unprepared(&format!("{INSERT} {}", rows.join(", "))).await.unwrap();
        second.commit().await.unwrap();
        // Open transactions are not seen, and not waited for.
        let noted = timeout(Duration::from_secs(20), watched.noted()).await.unwrap();
        assert_eq!(noted.len(), 450);
        assert!(noted.iter().all(|line| line.starts_with("text \"second-")));
        first.commit().await.unwrap();
        assert_eq!(watched.noted().await, ["text \"first\""]);
    }

    async fn bar_waits_for_writers(database: Database) {
        if database.kind() == Kind::Sqlite {
            return;
        }
        let watched = tokens(database).await;
        let connection = &watched.source.connection;
        let held = connection.begin().await.unwrap();
        held.execute_unprepared(&format!("{INSERT} ('held', 'u', 'p', 't', 1)")).await.unwrap();
        let patience = long();
        let bar = watched.watch.block(connection, &patience);
        tokio::pin!(bar);
        assert!(timeout(Duration::from_millis(1500), &mut bar).await.is_err());
        held.commit().await.unwrap();
        bar.await.unwrap();
        assert_eq!(watched.noted().await, ["text \"held\""]);
        assert!(connection.execute_unprepared(&format!("{INSERT} ('x', 'u', 'p', 't', 1)")).await.is_err());
    }

    async fn writers_go_on_while_it_starts_and_stops(database: Database) {
        let watched = unwatched(database).await;
        let writer = watched.source.database.connect().await;
        let writing = tokio::spawn(async move {
            for at in 0..200 {
                let sql = format!("{INSERT} ('k-{at}', 'u', 'p', 't', 1)");
                writer.execute_unprepared(&sql).await.unwrap();
                let sql = format!("UPDATE tokens SET t = 't2' WHERE id = 'k-{}'", at / 2);
                writer.execute_unprepared(&sql).await.unwrap();
                sleep(Duration::from_millis(2)).await;
            }
        });
        for _ in 0..3 {
            watched.start().await.unwrap();
            sleep(Duration::from_millis(50)).await;
            watched.stop().await;
        }
        writing.await.unwrap();
        assert!(watched.watch.state(&watched.source.connection).await.unwrap().is_clean);
    }
}
