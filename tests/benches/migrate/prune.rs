//! A cap enforced in place, compared with one statement that uses `row_number()`: ranked by columns
//! alone, and with the default options, which open every token.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use sea_orm::ConnectionTrait as _;
use session_migrate::cap::{Cap, Count, PartitionBy};
use session_migrate::prune::{Prune, PruneReport};
use session_migrate::source::{Codecs, Preset, Schema, SourceKeys};
use session_tests::database::{Database, Kind};

use crate::apply::{SOURCE_KEY, sealed};
use crate::median;
use crate::rows::{count, filled_with};

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

pub(crate) async fn print(rows: u64, runs: usize) {
    println!(
        "prune {rows} rows in place, at most {CAP} for each user and provider; medians of {runs} runs"
    );
    println!(
        "{:<10} {:>9} {:>9} {:>9} {:>7} {:>9} {:>7}",
        "", "pruned", "by hand", "columns", "ratio", "default", "ratio"
    );
    let sealed = sealed();
    for kind in Kind::available() {
        let mut columns: [Vec<f64>; 5] = std::array::from_fn(|_| Vec::new());
        let mut pruned = 0;
        for run in 0..runs {
            let (by_hand, left) = by_hand(&filled_with(kind, rows, &sealed).await).await;
            let mut took = [0.0; 2];
            // Whatever the machine does meanwhile slows each of them in turn.
            for at in [run % 2, 1 - run % 2] {
                let database = filled_with(kind, rows, &sealed).await;
                let started = Instant::now();
                let report = prune(&database, at == 1).await;
                took[at] = started.elapsed().as_secs_f64();
                assert_eq!(report.is_set_based, at == 0);
                assert_eq!(count(&database.connect().await).await, left);
                pruned = report.pruned;
            }
            let [by_columns, by_default] = took;
            let measured =
                [by_hand, by_columns, by_hand / by_columns, by_default, by_hand / by_default];
            columns.iter_mut().zip(measured).for_each(|(column, value)| column.push(value));
        }
        let [by_hand, by_columns, ratio, by_default, default_ratio] = columns.map(median);
        println!(
            "{:<10} {pruned:>9} {by_hand:>7.2} s {by_columns:>7.2} s {ratio:>7.2} \
             {by_default:>7.2} s {default_ratio:>7.2}",
            kind.to_string(),
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

async fn prune(database: &Database, is_default: bool) -> PruneReport {
    let connection = database.connect().await;
    let schema = Schema::read(&connection).await.unwrap();
    let mut fit = "openwebui".parse::<Preset>().unwrap().match_schema(&schema).unwrap();
    connection.close().await.unwrap();
    let cap = Cap::max_sessions(NonZeroU32::new(CAP).unwrap());
    let cap = match is_default {
        true => cap,
        false => cap.partition(PartitionBy::Provider).count(Count::All),
    };
    let codecs = Codecs::new(SourceKeys::new(SOURCE_KEY));
    let prune = Prune::new(database.url(), fit.mappings.mapping.remove(0), codecs, cap);
    prune.apply(|_| (), &AtomicBool::new(false)).await.unwrap()
}
