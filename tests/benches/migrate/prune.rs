//! A cap enforced in place, compared with one statement that uses `row_number()`.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use sea_orm::ConnectionTrait as _;
use session_migrate::cap::{Cap, Count, PartitionBy};
use session_migrate::prune::{Prune, PruneReport};
use session_migrate::source::{Codecs, Preset, Schema, SourceKeys};
use session_tests::database::{Database, Kind};

use crate::rows::{count, filled};

const CAP: u32 = 10;

/// The statement written by hand. It neither archives the rows nor checks them again.
const BY_HAND: &str = "DELETE FROM oauth_session WHERE id IN (SELECT id FROM (SELECT id, \
     row_number() OVER (PARTITION BY user_id, provider ORDER BY created_at DESC, id DESC) AS place \
     FROM oauth_session) AS ranked WHERE place > 10)";

/// The same for MySQL and MariaDB, which would run the subquery above once for every row: with
/// 100,000 rows it had not finished after 15 minutes, so a comparison would say nothing.
const BY_HAND_JOINED: &str = "DELETE o FROM oauth_session AS o JOIN (SELECT id, \
     row_number() OVER (PARTITION BY user_id, provider ORDER BY created_at DESC, id DESC) AS place \
     FROM oauth_session) AS ranked ON ranked.id = o.id WHERE ranked.place > 10";

pub(crate) async fn print(rows: u64) {
    println!("prune {rows} rows in place, at most {CAP} for each user and provider");
    println!("{:<10} {:>9} {:>9} {:>9} {:>7}", "", "pruned", "by hand", "prune", "ratio");
    for kind in Kind::available() {
        let (by_hand, left) = by_hand(&filled(kind, rows).await).await;
        let database = filled(kind, rows).await;
        let started = Instant::now();
        let report = prune(&database).await;
        let ours = started.elapsed().as_secs_f64();
        assert!(report.is_set_based);
        assert_eq!(count(&database.connect().await).await, left);
        println!(
            "{:<10} {:>9} {by_hand:>7.2} s {ours:>7.2} s {:>7.2}",
            kind.to_string(),
            report.pruned,
            by_hand / ours
        );
    }
}

/// Returns the seconds that the statement took, and the number of rows that are left.
async fn by_hand(database: &Database) -> (f64, i64) {
    let connection = database.connect().await;
    let started = Instant::now();
    let sql = match database.kind() {
        Kind::MariaDb | Kind::MySql => BY_HAND_JOINED,
        _ => BY_HAND,
    };
    connection.execute_unprepared(sql).await.unwrap();
    let took = started.elapsed().as_secs_f64();
    let left = count(&connection).await;
    connection.close().await.unwrap();
    (took, left)
}

async fn prune(database: &Database) -> PruneReport {
    let connection = database.connect().await;
    let schema = Schema::read(&connection).await.unwrap();
    let mut fit = "openwebui".parse::<Preset>().unwrap().match_schema(&schema).unwrap();
    connection.close().await.unwrap();
    let cap = Cap::max_sessions(NonZeroU32::new(CAP).unwrap());
    let cap = cap.partition(PartitionBy::Provider).count(Count::All);
    let codecs = Codecs::new(SourceKeys::new("a secret"));
    let prune = Prune::new(database.url(), fit.mappings.mapping.remove(0), codecs, cap);
    prune.apply(|_| (), &AtomicBool::new(false)).await.unwrap()
}
