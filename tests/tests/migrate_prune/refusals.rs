//! What cannot be pruned is refused, and nothing is lost.

use std::sync::atomic::AtomicBool;

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

on_every_database! {
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

    async fn a_unique_key_that_can_be_null_is_refused(kind: Kind) {
        let source = Source::on(Database::create(kind).await).await;
        source.run("CREATE TABLE grants (id INTEGER NULL UNIQUE, person VARCHAR(9), provider VARCHAR(9),
  account VARCHAR(9), token TEXT, refresh TEXT, created BIGINT);
CREATE TABLE people (id VARCHAR(9) PRIMARY KEY);
INSERT INTO grants VALUES (1, 'a', 'p', 'x', 't', 't', 1), (2, 'a', 'p', 'x', 't', 't', 2)").await;
        assert_eq!(refused(&mapped(source, GRANTS)).await.kind(), PruneErrorKind::NoUniqueKey);
    }
}
