//! Sources that cannot be written to, and columns that an update changes automatically.

use sea_orm::TransactionTrait as _;
use session_migrate::source::{Codecs, Mapping, Mappings, SourceErrorKind, SourceKeys};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use super::dump::dump;
use super::trip::{round_trip, tokens};
use session_tests::source::Source;

fn mapping(table: &str, more: &str) -> Mapping {
    let toml = format!(
        "[[mapping]]\ntable = \"{table}\"\nuser.column = \"u\"\nprovider.constant = \"p\"\n\
         tokens.access.column = \"t\"\n{more}"
    );
    Mappings::from_toml(&toml).unwrap().mapping.remove(0)
}

async fn source(database: Database) -> Source {
    let source = Source::on(database).await;
    source
        .run(
            "
        CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, u VARCHAR(9), t VARCHAR(9));
        CREATE TABLE more (id INTEGER NOT NULL PRIMARY KEY, r VARCHAR(9));
        CREATE VIEW seen AS SELECT id, u, t FROM t;
        INSERT INTO t VALUES (1, 'u', 'at');
        INSERT INTO more VALUES (1, 'rt')",
        )
        .await;
    source
}

on_every_database! {
    async fn what_cannot_be_written_to_is_named(database: Database) {
        let source = source(database).await;
        let codecs = Codecs::new(SourceKeys::none());
        let before = dump(&source).await;
        let joined = "key = [\"id\"]\ntokens.refresh = { column = \"r\", join = \"m\" }\n\
            join = [{ name = \"m\", table = \"more\", column = \"id\", on = { column = \"id\" } }]";
        for (mapping, words) in [
            (mapping("seen", "key = [\"id\"]"), "cannot be written back to: it is a view"),
            (mapping("t", ""), "has no key"),
            (mapping("t", "key = [\"id\", \"t\"]"), "part of the row's key"),
            (mapping("t", joined), "joined table"),
        ] {
            let table = source.open(&mapping, &codecs).await.unwrap();
            let row = source.rows(&mapping, &codecs).await.remove(0);
            let new = tokens(&mapping, "x");
            let error = table.write_back(&source.connection, &row, &new).await.unwrap_err();
            assert_eq!(error.kind(), SourceErrorKind::Schema, "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(!error.to_string().contains("new-at"), "{error}");
        }
        let whole = mapping("t", "key = [\"id\"]");
        let table = source.open(&whole, &codecs).await.unwrap();
        assert!(table.require_writable().is_ok());
        let other = source.rows(&mapping("t", "key = [\"u\"]"), &codecs).await.remove(0);
        assert!(table.write_back(&source.connection, &other, &tokens(&whole, "x")).await.is_err());
        assert_eq!(dump(&source).await, before);
    }

    async fn what_is_too_long_is_an_error(database: Database) {
        let source = source(database).await;
        // On SQLite a length says nothing.
        if source.kind() == Kind::Sqlite {
            return;
        }
        let mapping = mapping("t", "key = [\"id\"]");
        let codecs = Codecs::new(SourceKeys::none());
        let table = source.open(&mapping, &codecs).await.unwrap();
        let row = source.rows(&mapping, &codecs).await.remove(0);
        let new = tokens(&mapping, "much too long");
        let before = dump(&source).await;
        let transaction = source.connection.begin().await.unwrap();
        if source.kind() != Kind::Postgres {
            use sea_orm::ConnectionTrait as _;
            transaction.execute_unprepared("SET SESSION sql_mode = ''").await.unwrap();
        }
        assert!(table.write_back(&transaction, &row, &new).await.is_err());
        transaction.rollback().await.unwrap();
        assert_eq!(dump(&source).await, before);
    }

    async fn a_column_that_follows_updates_stays(database: Database) {
        let source = Source::on(database).await;
        if matches!(source.kind(), Kind::Sqlite | Kind::Postgres) {
            return;
        }
        source.run("
            CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, u VARCHAR(9), t VARCHAR(40),
              until TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
              seen DATETIME NULL ON UPDATE CURRENT_TIMESTAMP, day DATE,
              twice DATETIME AS (seen) VIRTUAL);
            INSERT INTO t (id, u, t, until, seen) VALUES
              (1, 'u', 'at', '2025-10-09 12:00:00', '2025-10-09 12:00:00'), (2, 'u', 'at', '2025-10-09 12:00:00', NULL)").await;
        let none = mapping("t", "key = [\"id\"]");
        round_trip(&source, &none, &SourceKeys::none(), &["t"]).await;
        source.run("UPDATE t SET t = 'at', until = '2025-10-09 12:00:00', seen = NULL").await;
        let known = mapping("t", "key = [\"id\"]\nexpires = [{ column = \"until\", unit = \"timestamp\" }]");
        round_trip(&source, &known, &SourceKeys::none(), &["t", "until"]).await;
    }
}
