//! Rows that are asked for again.

use session_migrate::source::{Cell, Codecs, Mapping, SourceKeys, SourceRow, SourceTable};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::migrate_change::watched::{TOKENS, mapping};
use session_tests::source::Source;

async fn open(source: &Source, mapping: &Mapping) -> SourceTable {
    source.open(mapping, &Codecs::new(SourceKeys::none())).await.unwrap()
}

fn keys(rows: &[SourceRow]) -> Vec<String> {
    let mut keys: Vec<String> = rows.iter().map(|row| row.key.to_string()).collect();
    keys.sort();
    keys
}

fn pair(user: &str, provider: &str) -> (String, Option<String>) {
    (user.to_owned(), Some(provider.to_owned()))
}

async fn filled(database: Database) -> Source {
    let source = Source::on(database).await;
    source.run(TOKENS).await;
    source.run("INSERT INTO tokens VALUES ('a', 'ann', 'google', 't', 1), ('b', 'ann', 'Google', 't', 1),
        ('c', 'ann', 'google ', 't', 1), ('d', 'Ann', 'google', 't', 1), ('e', 'ann', NULL, 't', 1),
        ('f', NULL, 'google', 't', 1), ('g', 'ann', 'google', 't', 0), ('h', 'ann', 'google', 'x', 1)").await;
    source
}

on_every_database! {
    async fn by_key_byte_for_byte(database: Database) {
        let source = filled(database).await;
        let table = open(&source, &mapping("tokens", "\"id\"", "filter = [{ column = \"seen\", is = \"equal\", value = 1 }]")).await;
        let key = |text: &str| vec![Cell::Text(text.to_owned())];
        let asked = [key("a"), key("A"), key("b "), key("c"), key("c"), key("g"), key("none")];
        let rows = table.rows_by_keys(&source.connection, &asked).await.unwrap();
        assert_eq!(keys(&rows), ["a", "c"]);
        assert!(table.rows_by_keys(&source.connection, &[]).await.unwrap().is_empty());
        let many: Vec<Vec<Cell>> = (0..700).map(|at| key(&format!("k-{at}"))).chain([key("d")]).collect();
        let rows = table.rows_by_keys(&source.connection, &many).await.unwrap();
        assert_eq!(keys(&rows), ["d"]);
    }

    async fn by_pair_byte_for_byte(database: Database) {
        let source = filled(database).await;
        let table = open(&source, &mapping("tokens", "\"id\"", "filter = [{ column = \"seen\", is = \"equal\", value = 1 }]")).await;
        for (pairs, expected) in [
            (vec![pair("ann", "google")], vec!["a", "h"]),
            (vec![pair("ann", "Google")], vec!["b"]),
            (vec![pair("ann", "google ")], vec!["c"]),
            (vec![pair("Ann", "google"), pair("ann", "Google"), pair("Ann", "google")], vec!["b", "d"]),
            (vec![("ann".to_owned(), None)], vec!["e"]),
            (vec![pair("ann ", "google"), pair("", "google"), pair("it's", "x")], vec![]),
        ] {
            let rows = table.rows_of_partitions(&source.connection, &pairs).await.unwrap();
            assert_eq!(keys(&rows), expected, "{pairs:?}");
        }
        let many: Vec<_> = (0..450).map(|at| pair(&format!("u-{at}"), "google")).chain([pair("Ann", "google")]).collect();
        assert_eq!(keys(&table.rows_of_partitions(&source.connection, &many).await.unwrap()), ["d"]);
    }

    async fn by_pair_without_a_key_or_a_column(database: Database) {
        let source = filled(database).await;
        let mut mapping = mapping("tokens", "", "");
        let table = open(&source, &mapping).await;
        // Equal in all that is mapped: one token set.
        let rows = table.rows_of_partitions(&source.connection, &[pair("ann", "google")]).await.unwrap();
        assert_eq!(rows.len(), 2);
        mapping.provider.column = None;
        mapping.provider.constant = Some("github".to_owned());
        mapping.key = vec!["id".to_owned()];
        let table = open(&source, &mapping).await;
        let rows = table.rows_of_partitions(&source.connection, &[pair("ann", "google"), pair("Ann", "github")]).await.unwrap();
        assert_eq!(keys(&rows), ["d"]);
    }

    async fn a_user_may_be_of_any_type(database: Database) {
        let source = Source::on(database).await;
        let bytes = |text: &str| session_tests::source::blob(source.kind(), text.as_bytes());
        for (at, (kind, values)) in [
            ("BIGINT", ["7".to_owned(), "-7".to_owned()]),
            ("{uuid}", ["'018f0000-0000-7000-8000-00000000000a'".to_owned(), "'018f0000-0000-7000-8000-00000000000b'".to_owned()]),
            ("{bytes}", [bytes("ann"), bytes("Ann")]),
            ("NUMERIC(10,2)", ["1.50".to_owned(), "2.50".to_owned()]),
            ("CHAR(9)", ["'ann'".to_owned(), "'bob'".to_owned()]),
            ("DATE", ["'2025-01-01'".to_owned(), "'2025-01-02'".to_owned()]),
        ].into_iter().enumerate() {
            source.run(&format!("CREATE TABLE tokens_{at} (id INTEGER NOT NULL PRIMARY KEY, u {kind}, p VARCHAR(9), t VARCHAR(9))")).await;
            source.run(&format!("INSERT INTO tokens_{at} VALUES (1, {}, 'p', 't'), (2, {}, 'p', 't')", values[0], values[1])).await;
            let table = open(&source, &mapping(&format!("tokens_{at}"), "\"id\"", "")).await;
            let (rows, _) = table.batch(&source.connection, None, 9).await.unwrap();
            for row in &rows {
                let pairs = [pair(row.user.as_deref().unwrap(), "p"), pair("nobody", "p"), pair("07", "p")];
                let found = table.rows_of_partitions(&source.connection, &pairs).await.unwrap();
                assert_eq!(keys(&found), [row.key.to_string()], "{kind}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_has_users_of_every_class() {
    let source = Source::on(Database::create(Kind::Sqlite).await).await;
    source.run("CREATE TABLE tokens (id INTEGER PRIMARY KEY, u, p TEXT, t TEXT);
        INSERT INTO tokens VALUES (1, 7, 'p', 't'), (2, '7', 'p', 't'), (3, X'37', 'p', 't'), (4, 7.5, 'p', 't'), (5, '7.50', 'p', 't')").await;
    let table = open(&source, &mapping("tokens", "\"id\"", "")).await;
    let rows = table.rows_of_partitions(&source.connection, &[pair("7", "p")]).await.unwrap();
    assert_eq!(keys(&rows), ["1", "2", "3"]);
    let rows = table.rows_of_partitions(&source.connection, &[pair("7.5", "p")]).await.unwrap();
    assert_eq!(keys(&rows), ["4"]);
}
