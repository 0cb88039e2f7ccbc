//! Over-cap pairs of user and provider are read whole, whatever the size of a page.

use std::collections::BTreeMap;

use session_migrate::source::{PartitionCursor, SourceRow};
use session_tests::database::Database;
use session_tests::on_every_database;

use crate::migrate_prune::table::{Mapped, grants, mapped};
use session_tests::source::Source;

type Pairs = BTreeMap<(Vec<u8>, Vec<u8>), Vec<String>>;

/// Returns the keys of each pair that has more than this number of rows.
fn expected(rows: &[SourceRow], more_than: usize) -> Pairs {
    let mut pairs = Pairs::new();
    for row in rows {
        if let (Some(user), Some(provider)) = (&row.user, &row.provider) {
            let pair = (user.clone().into_bytes(), provider.clone().into_bytes());
            pairs.entry(pair).or_default().push(row.key.to_string());
        }
    }
    pairs.retain(|_, keys| keys.len() > more_than);
    pairs.values_mut().for_each(|keys| keys.sort());
    pairs
}

async fn read(mapped: &Mapped, more_than: u32, limit: u32) -> Pairs {
    let source = &mapped.source;
    let table = source.open(&mapped.mapping, &mapped.codecs).await.unwrap();
    let (mut pairs, mut after) = (Pairs::new(), None);
    loop {
        let page = table.over_cap_rows(&source.connection, more_than, after.as_ref(), limit);
        let (rows, next) = page.await.unwrap();
        for (pair, mut keys) in expected(&rows, 0) {
            keys.sort();
            assert!(pairs.last_key_value().is_none_or(|(last, _)| *last != pair));
            assert!(pairs.insert(pair, keys).is_none(), "a pair was read twice");
        }
        // The cursor survives as text, for another process.
        after = next.map(|cursor| cursor.to_string().parse::<PartitionCursor>().unwrap());
        if after.is_none() {
            return pairs;
        }
    }
}

async fn check(mapped: &Mapped) {
    let rows = mapped.rows().await;
    let table = mapped.source.open(&mapped.mapping, &mapped.codecs).await.unwrap();
    for more_than in [0, 1, 3, 10, 1000] {
        let expected = expected(&rows, more_than as usize);
        for limit in [1, 7, 10_000] {
            assert_eq!(read(mapped, more_than, limit).await, expected, "{more_than} {limit}");
        }
        let crowded =
            table.over_cap_partitions(&mapped.source.connection, more_than).await.unwrap();
        assert_eq!((crowded.len(), crowded.is_empty()), (expected.len(), expected.is_empty()));
        for row in &rows {
            if let (Some(user), Some(provider)) = (&row.user, &row.provider) {
                let pair = (user.clone().into_bytes(), provider.clone().into_bytes());
                assert_eq!(crowded.contains(user, provider), expected.contains_key(&pair));
            }
        }
    }
}

on_every_database! {
    async fn pairs_are_read_whole_and_compared_byte_for_byte(database: Database) {
        check(&grants(Source::on(database).await).await).await;
    }

    async fn the_mapping_can_name_the_provider(database: Database) {
        let source = Source::on(database).await;
        source.run("CREATE TABLE users (id {id}, team INTEGER NULL, kind VARCHAR(9), token TEXT);
INSERT INTO users VALUES (1, 7, 'a', 't'), (2, 7, 'a', 't'), (3, 8, 'a', 't'), (4, NULL, 'a', 't'),
  (5, NULL, 'a', 't'), (6, 7, 'b', 't'), (7, 8, 'a', 't'), (8, 9, 'a', 't')").await;
        check(&mapped(source, r#"
            [[mapping]]
            table = "users"
            key = ["id"]
            user = { column = "team" }
            provider = { constant = "github" }
            tokens.access = { column = "token" }
            filter = [{ column = "kind", is = "equal", value = "a" }]
        "#)).await;
    }
}
