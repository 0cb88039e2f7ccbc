//! Other connections write during a run, and runs that are interrupted.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::ConnectionTrait as _;
use session_migrate::cap::{Count, PartitionBy};
use session_tests::database::Database;
use session_tests::on_every_database;
use tokio::runtime::Handle;

use crate::migrate_prune::table::{apply, at_most, grants, model};
use session_tests::source::Source;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| Handle::current().block_on(future))
}

on_every_database! {
    async fn a_row_that_changes_during_the_run_is_ranked_again(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let cap = at_most(2).count(Count::All).partition(PartitionBy::Provider);
        for prune in [grants.prune(&cap), grants.prune(&cap).in_process()] {
            let before = grants.content().await;
            let victims = prune.clone().list(1000).plan().await.unwrap().victims;
            let renewed = victims.last().unwrap().key.clone();
            let moved = victims[victims.len() - 2].key.clone();
            let gone = victims[victims.len() - 3].key.clone();
            let mut is_first = true;
            let meanwhile = |_| {
                if std::mem::take(&mut is_first) {
                    wait(async {
                        for sql in [
                            format!("UPDATE grants SET created = 5000 WHERE id = {renewed}"),
                            format!("UPDATE grants SET person = 'bob ' WHERE id = {moved}"),
                            format!("DELETE FROM grants WHERE id = {gone}"),
                        ] {
                            grants.source.connection.execute_unprepared(&sql).await.unwrap();
                        }
                    });
                }
            };
            let one = prune.batch(NonZeroU32::MIN);
            let report = one.apply(meanwhile, &AtomicBool::new(false)).await.unwrap();
            assert!(report.changed >= 3, "{report:?}");
            let rows = grants.rows().await;
            let left: Vec<String> = grants.keys().await;
            assert!(left.contains(&renewed) && left.contains(&moved) && !left.contains(&gone));
            assert_eq!(left, model(&cap, &grants.mapping, &rows, 2), "the run has converged");
            assert_eq!(usize::try_from(report.pruned).unwrap(), before.len() - 1 - left.len());
            grants.undo(&report).await;
            assert_eq!(grants.keys().await.len(), before.len() - 1);
        }
    }

    async fn the_next_run_continues_a_stopped_one(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let cap = at_most(1).count(Count::All);
        let before = grants.content().await;
        let expected = model(&cap, &grants.mapping, &grants.rows().await, 1);
        let stop = AtomicBool::new(false);
        let prune = grants.prune(&cap).batch(NonZeroU32::new(7).unwrap());
        let stopped = prune.apply(|_| stop.store(true, Ordering::Relaxed), &stop).await.unwrap();
        assert_eq!((stopped.is_stopped, stopped.pruned), (true, 7));
        let rest = apply(&prune).await;
        assert_eq!(grants.keys().await, expected);
        grants.undo(&rest).await;
        grants.undo(&stopped).await;
        assert_eq!(grants.content().await, before);
    }

    async fn a_dropped_run_leaves_nothing_half_done(database: Database) {
        let grants = grants(Source::on(database).await).await;
        let cap = at_most(1).count(Count::All);
        let before = grants.content().await.len();
        let expected = model(&cap, &grants.mapping, &grants.rows().await, 1);
        let one = grants.prune(&cap).batch(NonZeroU32::MIN);
        for round in 1..30_u64 {
            let limit = std::time::Duration::from_millis(3 * round);
            let stop = AtomicBool::new(false);
            let _ = tokio::time::timeout(limit, one.apply(|_| (), &stop)).await;
        }
        // The server may still be running the last statement.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        apply(&one).await;
        let left = grants.keys().await;
        assert_eq!(left, expected);
        let schema = grants.source.schema().await;
        assert!(schema.tables.iter().all(|table| table.name != "session_prune_work"));
        let archive = schema.tables.iter().find(|table| table.name.contains("archive")).unwrap();
        let sql = format!("SELECT COUNT(*) FROM {}", archive.name);
        let sql = sea_orm::Statement::from_string(grants.source.connection.get_database_backend(), sql);
        let row = grants.source.connection.query_one_raw(sql).await.unwrap().unwrap();
        let archived: i64 = row.try_get_by_index(0).unwrap();
        assert_eq!(usize::try_from(archived).unwrap(), before - left.len(), "each row is either archived or left");
    }
}
