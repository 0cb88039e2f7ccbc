//! Keys of every sort come back as they are.

use session_migrate::capture::ChangedRows;
use session_migrate::source::Cell;
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::migrate_change::watched::{Watched, is_mysql, mapping};
use session_tests::source::{Source, blob};

/// A watched table with this key; what is behind a semicolon comes after all its columns.
async fn watched(database: Database, columns: &str, key: &str) -> Watched {
    let source = Source::on(database).await;
    let (columns, unique) = columns.split_once(';').unwrap_or((columns, ""));
    source
        .run(&format!(
            "CREATE TABLE tokens ({columns}, u VARCHAR(9), p VARCHAR(9), t VARCHAR(9){unique})"
        ))
        .await;
    Watched::of(source, &mapping("tokens", key, "")).await
}

/// The keys that are noted of an insert are those of the rows that are read.
async fn round_trip(watched: &Watched, values: &[String]) -> Vec<Vec<Cell>> {
    let rows: Vec<String> =
        values.iter().map(|value| format!("({value}, 'u', 'p', 't')")).collect();
    watched.source.run(&format!("INSERT INTO tokens VALUES {}", rows.join(", "))).await;
    let connection = &watched.source.connection;
    let changes = watched.watch.changes(connection, 100).await.unwrap();
    let keys: Vec<Vec<Cell>> = changes
        .iter()
        .map(|change| match &change.what {
            ChangedRows::Key(cells) => cells.clone(),
            what => panic!("{what:?}"),
        })
        .collect();
    assert_eq!(keys.len(), values.len());
    let (read, _) = watched.table.batch(connection, None, 100).await.unwrap();
    assert_eq!(read.len(), values.len());
    for row in &read {
        assert!(keys.iter().any(|key| key == row.key.cells()), "{:?} {keys:?}", row.key);
    }
    let again = watched.table.rows_by_keys(connection, &keys).await.unwrap();
    assert_eq!(again.len(), values.len());
    watched.source.run("DELETE FROM tokens").await;
    let gone = watched.watch.changes(connection, 100).await.unwrap();
    assert_eq!(gone.len(), 2 * values.len());
    watched.watch.forget(connection, &gone).await.unwrap();
    assert!(watched.table.rows_by_keys(connection, &keys).await.unwrap().is_empty());
    keys
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

on_every_database! {
    async fn numbers(database: Database) {
        let watched = watched(database, "id {id}", "\"id\"").await;
        round_trip(&watched, &texts(&["-5", "1", "2147483647"])).await;
    }

    async fn uuids(database: Database) {
        let watched = watched(database, "id {uuid} NOT NULL PRIMARY KEY", "\"id\"").await;
        round_trip(&watched, &texts(&["'018f0000-0000-7000-8000-00000000000a'", "'118f0000-0000-7000-8000-00000000000b'"])).await;
    }

    async fn pairs_of_texts(database: Database) {
        let columns = "a VARCHAR(40) NOT NULL, b VARCHAR(40) NOT NULL";
        let watched = watched(database, &format!("{columns};, UNIQUE (a, b)"), "\"a\", \"b\"").await;
        round_trip(&watched, &texts(&["'google', '1'", "'Google', '2'", "'google ', '3'", "'ß', ''", "'ss', ''", "'it''s \"x\" \\\\', '😀'"])).await;
    }

    async fn texts_without_an_index(database: Database) {
        let watched = watched(database, "a TEXT, b BIGINT", "\"a\", \"b\"").await;
        let long = format!("'{}', 1", "ä".repeat(40_000));
        let long = if is_mysql(watched.kind()) { format!("'{}', 1", "ä".repeat(30_000)) } else { long };
        round_trip(&watched, &[long, "NULL, 2".to_owned(), "'x', NULL".to_owned(), "'X', 4".to_owned()]).await;
    }

    async fn bytes(database: Database) {
        let kind = database.kind();
        let columns = if is_mysql(kind) { "id VARBINARY(16) NOT NULL PRIMARY KEY" } else { "id {bytes} NOT NULL PRIMARY KEY" };
        let watched = watched(database, columns, "\"id\"").await;
        round_trip(&watched, &[blob(kind, &[0, 255, 1]), blob(kind, b"abc"), blob(kind, &[])]).await;
    }

    async fn dates_and_decimals(database: Database) {
        let watched = watched(database, "id DATE NOT NULL, n NUMERIC(10,2) NOT NULL, b BOOLEAN NOT NULL;, PRIMARY KEY (id, n, b)", "\"id\", \"n\", \"b\"").await;
        round_trip(&watched, &texts(&["'2025-01-01', 1.50, TRUE", "'2025-01-01', 1.50, FALSE", "'2025-01-02', 2, TRUE"])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_each_storage_class() {
    let database = Database::create(Kind::Sqlite).await;
    let watched = watched(database, "id NOT NULL PRIMARY KEY", "\"id\"").await;
    let values = ["1", "1.5", "'1'", "X'31'", "'AbC'", "CAST(X'ff41' AS TEXT)", "2.0"];
    let keys = round_trip(&watched, &texts(&values)).await;
    for expected in [
        Cell::Integer(1),
        Cell::Real(1.5),
        Cell::Real(2.0),
        Cell::Text("1".to_owned()),
        Cell::Bytes(b"1".to_vec()),
        Cell::MalformedText(vec![0xff, 0x41]),
    ] {
        assert!(keys.contains(&vec![expected.clone()]), "{expected:?} {keys:?}");
    }
    watched.source.run("INSERT INTO tokens VALUES (7, 'u', 'p', 't')").await;
    assert_eq!(
        watched.noted_of("UPDATE tokens SET id = 7.0").await,
        ["integer \"7\"", "integer \"7\"", "real \"7\""]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_notes_what_a_collation_would_fold() {
    let database = Database::create(Kind::Sqlite).await;
    let watched = watched(database, "id TEXT NOT NULL COLLATE NOCASE PRIMARY KEY", "\"id\"").await;
    watched.noted_of("INSERT INTO tokens VALUES ('AbC', 'u', 'p', 't')").await;
    let noted = watched.noted_of("UPDATE tokens SET id = 'abc'").await;
    assert_eq!(noted, ["text \"AbC\"", "text \"abc\""]);
    let key = |text: &str| vec![Cell::Text(text.to_owned())];
    let rows = watched
        .table
        .rows_by_keys(&watched.source.connection, &[key("AbC"), key("abc")])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_has_domains_and_types_of_its_own() {
    if Kind::Postgres.is_available() {
        let source = Source::on(Database::create(Kind::Postgres).await).await;
        source.run("CREATE SCHEMA app;
            CREATE DOMAIN app.word AS text NOT NULL CHECK (VALUE <> '');
            CREATE TYPE app.mood AS ENUM ('sad', 'Sad');
            CREATE TABLE kinds (id INTEGER PRIMARY KEY);
            CREATE TABLE tokens (id app.word, mood app.mood NOT NULL, c CHAR(4) NOT NULL, u INTEGER, p VARCHAR(9), t VARCHAR(9), PRIMARY KEY (id, mood, c))").await;
        let mapping = mapping(
            "tokens",
            "\"id\", \"mood\", \"c\"",
            "parent = [{ table = \"kinds\", column = \"id\" }]",
        );
        let watched = Watched::of(source, &mapping).await;
        let noted =
            watched.noted_of("INSERT INTO tokens VALUES ('a', 'Sad', 'x', 1, 'p', 't')").await;
        assert_eq!(noted, ["text \"a\", text \"Sad\", text \"x\""]);
        assert_eq!(watched.noted_of("INSERT INTO kinds VALUES (1)").await, ["u -> integer \"1\""]);
        let key =
            [Cell::Text("a".to_owned()), Cell::Text("Sad".to_owned()), Cell::Text("x".to_owned())];
        let rows =
            watched.table.rows_by_keys(&watched.source.connection, &[key.to_vec()]).await.unwrap();
        assert_eq!(rows.len(), 1);
    }
}
