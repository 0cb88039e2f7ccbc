//! The order of reading: every row once, whatever the key is.

use session_migrate::source::{Codecs, Mappings, SourceErrorKind, SourceKeys, SourceRow};
use session_tests::database::Database;
use session_tests::on_every_database;

use session_tests::source::Source;

const ROWS: usize = 9;

/// A table whose key is a text, a pair, or none, and what may stand in them.
async fn source(database: Database) -> Source {
    let source = Source::on(database).await;
    source
        .run(
            "
        CREATE TABLE tokens (id VARCHAR(40) NOT NULL PRIMARY KEY, number BIGINT NOT NULL UNIQUE,
          a VARCHAR(40), b VARCHAR(40), u VARCHAR(40), p VARCHAR(40), t VARCHAR(40),
          UNIQUE (a, b))",
        )
        .await;
    let pairs = [
        ("'k'", "'1'"),
        ("'K'", "'2'"),
        ("'k '", "'3'"),
        ("''", "'4'"),
        ("NULL", "'5'"),
        ("NULL", "'5'"),
        ("'ß'", "'7'"),
        ("'ss'", "'8'"),
        ("'é'", "NULL"),
    ];
    for (at, (a, b)) in (0_i64..).zip(pairs) {
        source
            .run(&format!(
                "INSERT INTO tokens VALUES ('id-{at}', {}, {a}, {b}, 'u', 'p', 't-{at}')",
                at - 4
            ))
            .await;
    }
    source
}

fn mappings(key: &str) -> Mappings {
    Mappings::from_toml(&format!(
        "[[mapping]]\ntable = \"tokens\"\nkey = [{key}]\nuser = {{ column = \"u\" }}\n\
         provider = {{ column = \"p\" }}\ntokens.access = {{ column = \"t\" }}\n"
    ))
    .unwrap()
}

fn tokens(rows: &[SourceRow]) -> Vec<String> {
    let mut tokens: Vec<String> =
        rows.iter().map(|row| row.tokens.opened().unwrap().access().unwrap().to_owned()).collect();
    tokens.sort();
    tokens
}

on_every_database! {
    async fn every_row_comes_once_by_every_key(database: Database) {
        let source = source(database).await;
        let every: Vec<String> = (0..ROWS).map(|at| format!("t-{at}")).collect();
        for key in ["\"id\"", "\"number\"", "\"a\", \"id\"", "\"p\", \"number\"", ""] {
            let rows = source.rows(&mappings(key).mapping[0], &Codecs::new(SourceKeys::none())).await;
            assert_eq!(tokens(&rows), every, "by {key}");
            let mut keys: Vec<String> = rows.iter().map(|row| row.key.to_string()).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), ROWS, "by {key}");
        }
    }

    async fn a_key_that_two_rows_share_is_refused(database: Database) {
        let source = source(database).await;
        // Both of its values are NULL or equal, which a unique index allows.
        for key in ["\"a\", \"b\"", "\"p\""] {
            let opened = source.open(&mappings(key).mapping[0], &Codecs::new(SourceKeys::none())).await;
            assert_eq!(opened.unwrap_err().kind(), SourceErrorKind::KeyNotUnique, "by {key}");
        }
        source.run("DELETE FROM tokens WHERE id = 'id-5'").await;
        let rows = source.rows(&mappings("\"a\", \"b\"").mapping[0], &Codecs::new(SourceKeys::none())).await;
        assert_eq!(rows.len(), ROWS - 1);
    }

    async fn rows_without_a_key_that_are_equal_are_one_token_set(database: Database) {
        let source = source(database).await;
        source.run("UPDATE tokens SET t = 't-0' WHERE id = 'id-1'").await;
        let mapping = mappings("").mapping.remove(0);
        let rows = source.rows(&mapping, &Codecs::new(SourceKeys::none())).await;
        assert_eq!(rows.len(), ROWS - 1);
        let again = source.rows(&mapping, &Codecs::new(SourceKeys::none())).await;
        let keys = |rows: &[SourceRow]| -> Vec<String> {
            rows.iter().map(|row| row.key.to_string()).collect()
        };
        assert_eq!(keys(&rows), keys(&again));
    }

    async fn a_row_of_another_process_is_seen_behind_the_cursor_only(database: Database) {
        let source = source(database).await;
        let table = source.open(&mappings("\"id\"").mapping[0], &Codecs::new(SourceKeys::none())).await.unwrap();
        let (first, cursor) = table.batch(&source.connection, None, 4).await.unwrap();
        assert_eq!(first.len(), 4);
        source.run("INSERT INTO tokens VALUES ('id-35', 50, 'x', 'x', 'u', 'p', 'later'), ('a', 51, 'y', 'x', 'u', 'p', 'before')").await;
        let (rest, end) = table.batch(&source.connection, cursor.as_ref(), 100).await.unwrap();
        assert_eq!((rest.len(), end), (6, None));
        assert!(tokens(&rest).contains(&"later".to_owned()));
    }
}
