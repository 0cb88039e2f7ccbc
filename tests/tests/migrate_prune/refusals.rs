//! What cannot be pruned is refused, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use session_migrate::cap::Count;
use session_migrate::prune::{PruneError, PruneErrorKind};
use session_migrate::source::NewestBy;
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::migrate_prune::table::{GRANTS, Mapped, at_most, grants, mapped};
use session_tests::source::Source;

async fn refused(mapped: &Mapped) -> PruneError {
    let prune = mapped.prune(&at_most(1).count(Count::All));
    let planned = prune.plan().await.unwrap_err();
    let applied = prune.apply(|_| (), &AtomicBool::new(false)).await.unwrap_err();
    assert_eq!(planned.kind(), applied.kind());
    assert_eq!(mapped.source.schema().await.table(None, "session_prune_work"), None);
    applied
}

/// Runs a statement on a connection of its own, and waits for it.
fn elsewhere(url: &str, sql: &str) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let connection = sea_orm::Database::connect(url).await.unwrap();
                connection.execute_unprepared(sql).await.unwrap();
                connection.close().await.unwrap();
            });
        });
    });
}

async fn count(mapped: &Mapped, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    let connection = &mapped.source.connection;
    let statement = sea_orm::Statement::from_string(connection.get_database_backend(), sql);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Inserts a row on a connection of its own, and commits once another transaction of the database
/// waits for it, or `is_over`.
async fn insert_until_waited_for(
    url: String,
    sql: String,
    inserted: std::sync::mpsc::Sender<()>,
    is_over: Arc<AtomicBool>,
) {
    let connection = sea_orm::Database::connect(&url).await.unwrap();
    let transaction = connection.begin().await.unwrap();
    transaction.execute_unprepared(&sql).await.unwrap();
    inserted.send(()).unwrap();
    let backend = connection.get_database_backend();
    let waiting = match backend {
        sea_orm::DbBackend::Postgres => {
            "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
             AND datname = current_database()"
        }
        _ => {
            "SELECT COUNT(*) FROM information_schema.INNODB_TRX AS t \
             JOIN information_schema.PROCESSLIST AS p ON p.ID = t.trx_mysql_thread_id \
             WHERE t.trx_state = 'LOCK WAIT' AND p.DB = DATABASE()"
        }
    };
    while !is_over.load(Ordering::Relaxed) {
        let statement = sea_orm::Statement::from_string(backend, waiting);
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        if row.try_get_by_index::<i64>(0).unwrap() > 0 {
            break;
        }
        // InnoDB shows an older state to who asks more often than every 100 ms.
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    transaction.commit().await.unwrap();
    connection.close().await.unwrap();
}

on_every_database! {
    async fn a_row_that_is_committed_while_a_batch_waits_keeps_its_victim(database: Database) {
        if database.kind() == Kind::Sqlite {
            // It has one writer at a time.
            return;
        }
        let grants = grants(Source::on(database).await).await;
        let cap = at_most(1).count(Count::All);
        grants.source.run("
CREATE TABLE audits (id INTEGER NOT NULL PRIMARY KEY, grant_id INTEGER NOT NULL,
  FOREIGN KEY (grant_id) REFERENCES grants (id) ON DELETE CASCADE)").await;
        let victims = grants.prune(&cap).plan().await.unwrap().victims;
        // The last of the second batch: when its turn comes, the statement has looked for others already.
        let last = victims[3].key.clone();
        let (url, insert) = (grants.source.database.url().to_owned(), format!("INSERT INTO audits VALUES (1, {last})"));
        let (is_over, mut inserting) = (Arc::new(AtomicBool::new(false)), None);
        let refer = |_| {
            if inserting.is_none() {
                let (sender, inserted) = std::sync::mpsc::channel();
                let insert = insert_until_waited_for(url.clone(), insert.clone(), sender, Arc::clone(&is_over));
                inserting = Some(std::thread::spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    runtime.unwrap().block_on(insert);
                }));
                inserted.recv().unwrap();
            }
        };
        let prune = grants.prune(&cap).batch(std::num::NonZeroU32::new(2).unwrap());
        let pruned = prune.apply(refer, &AtomicBool::new(false)).await;
        is_over.store(true, Ordering::Relaxed);
        inserting.unwrap().join().unwrap();
        assert_eq!(pruned.unwrap_err().kind(), PruneErrorKind::Referred);
        assert!(grants.keys().await.contains(&last));
        assert_eq!(count(&grants, "audits").await, 1);
    }

    async fn a_view_and_a_table_without_a_key_are_refused(database: Database) {
        let mut grants = grants(Source::on(database).await).await;
        grants.source.run("CREATE VIEW shown AS SELECT * FROM grants").await;
        grants.mapping.table = "shown".to_owned();
        let error = refused(&grants).await;
        assert_eq!((error.kind(), error.is_misuse()), (PruneErrorKind::View, true));
        grants.source.run("CREATE TABLE copied AS SELECT * FROM grants").await;
        grants.mapping.table = "copied".to_owned();
        assert_eq!(refused(&grants).await.kind(), PruneErrorKind::NoUniqueKey);
        grants.mapping.key.clear();
        assert_eq!(refused(&grants).await.kind(), PruneErrorKind::NoUniqueKey);
    }

    async fn ranking_by_a_time_that_is_not_mapped_is_refused(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let prune = grants.prune(&at_most(1).newest_by(NewestBy::Used));
        let error = prune.plan().await.unwrap_err();
        assert_eq!((error.kind(), error.is_misuse()), (PruneErrorKind::MissingMoment, true));
        assert!(error.to_string().contains("the mapping has no `used`"), "{error}");
    }

    async fn a_foreign_key_to_a_victim_stops_the_run_and_nothing_is_lost(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let cap = at_most(1).count(Count::All);
        let plan = grants.prune(&cap).plan().await.unwrap();
        let held = &plan.victims[0].key;
        grants.source.run(&format!("CREATE TABLE uses (grant_id INTEGER NOT NULL,
  FOREIGN KEY (grant_id) REFERENCES grants (id));
INSERT INTO uses VALUES ({held})")).await;
        let before = grants.content().await;
        for prune in [grants.prune(&cap), grants.prune(&cap).in_process()] {
            let error = prune.apply(|_| (), &AtomicBool::new(false)).await.unwrap_err();
            assert_eq!((error.kind(), error.is_misuse()), (PruneErrorKind::Statement, false));
            assert_eq!(grants.content().await, before);
        }
    }

    async fn rows_that_a_deletion_would_take_along_are_listed_and_kept(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let cap = at_most(1).count(Count::All);
        let plan = grants.prune(&cap).plan().await.unwrap();
        assert_eq!(plan.referring, []);
        let held = &plan.victims[0].key;
        grants.source.run(&format!("
CREATE TABLE audits (id INTEGER NOT NULL PRIMARY KEY, grant_id INTEGER NOT NULL,
  FOREIGN KEY (grant_id) REFERENCES grants (id) ON DELETE CASCADE);
CREATE TABLE devices (id INTEGER NOT NULL PRIMARY KEY, grant_id INTEGER,
  FOREIGN KEY (grant_id) REFERENCES grants (id) ON DELETE SET NULL);
INSERT INTO audits VALUES (1, {held}), (2, {held});
INSERT INTO devices VALUES (1, {held}), (2, NULL)")).await;
        let before = grants.content().await;
        for prune in [grants.prune(&cap), grants.prune(&cap).in_process()] {
            let listed: Vec<String> =
                prune.plan().await.unwrap().referring.iter().map(ToString::to_string).collect();
            let expected =
                ["2 rows of audits (grant_id, CASCADE)", "1 rows of devices (grant_id, SET NULL)"];
            assert_eq!(listed, expected);
            let error = prune.apply(|_| (), &AtomicBool::new(false)).await.unwrap_err();
            assert_eq!(error.kind(), PruneErrorKind::Referred);
            assert!(error.to_string().ends_with(&expected.join(", ")), "{error}");
            assert_eq!(grants.content().await, before);
            assert_eq!(grants.source.schema().await.table(None, "session_prune_work"), None);
        }
        // Rows that refer to no victim are in nothing's way.
        grants.source.run("DELETE FROM audits;\nDELETE FROM devices").await;
        let (report, left) = grants.pruned(&grants.prune(&cap)).await;
        assert_eq!(report.pruned, plan.pruned);
        assert_eq!(left.len() as u64, plan.rows - plan.pruned);
    }

    async fn a_row_that_begins_to_refer_to_a_victim_keeps_it(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let cap = at_most(1).count(Count::All);
        grants.source.run("
CREATE TABLE audits (id INTEGER NOT NULL PRIMARY KEY, grant_id INTEGER NOT NULL,
  FOREIGN KEY (grant_id) REFERENCES grants (id) ON DELETE CASCADE)").await;
        let victims = grants.prune(&cap).plan().await.unwrap().victims;
        let last = victims.last().unwrap().key.clone();
        let one = std::num::NonZeroU32::MIN;
        let url = grants.source.database.url().to_owned();
        let insert = format!("INSERT INTO audits VALUES (1, {last})");
        // The first batch is committed, the last not begun.
        let prune = grants.prune(&cap).batch(one);
        let mut is_inserted = false;
        let refer = |_| {
            if !std::mem::replace(&mut is_inserted, true) {
                elsewhere(&url, &insert);
            }
        };
        let error = prune.apply(refer, &AtomicBool::new(false)).await.unwrap_err();
        assert_eq!(error.kind(), PruneErrorKind::Referred);
        assert!(grants.keys().await.contains(&last));
        assert_eq!(count(&grants, "audits").await, 1);
    }

    async fn a_unique_key_that_can_be_null_is_refused(kind: Kind) {
        let source = Source::on(Database::create(kind).await).await;
        source.run("CREATE TABLE grants (id INTEGER NULL UNIQUE, person VARCHAR(9), provider VARCHAR(9),
  account VARCHAR(9), token TEXT, refresh TEXT, created BIGINT);
CREATE TABLE people (id VARCHAR(9) PRIMARY KEY);
INSERT INTO grants VALUES (1, 'a', 'p', 'x', 't', 't', 1), (2, 'a', 'p', 'x', 't', 't', 2)").await;
        assert_eq!(refused(&mapped(source, GRANTS)).await.kind(), PruneErrorKind::NoUniqueKey);
    }
}
