//! Each write is noted, and nothing else is.

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use session_migrate::capture::ChangeCapture;
use session_migrate::source::{Codecs, SourceErrorKind, SourceKeys};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::migrate_change::watched::{Watched, mapping, owner, tokens};
use session_tests::source::Source;

on_every_database! {
    async fn a_write_is_noted_once_by_its_key(database: Database) {
        let watched = tokens(database).await;
        let noted = watched.noted_of("INSERT INTO tokens VALUES ('AbC', 'u', 'p', 't', 1), ('pad ', 'u', 'p', 't', 1)").await;
        assert_eq!(noted, ["text \"AbC\"", "text \"pad \""]);
        assert_eq!(watched.noted_of("UPDATE tokens SET t = 't2' WHERE id = 'AbC'").await, ["text \"AbC\""]);
        assert_eq!(watched.noted_of("UPDATE tokens SET t = NULL WHERE id = 'AbC'").await, ["text \"AbC\""]);
        assert_eq!(watched.noted_of("UPDATE tokens SET t = 'T2', u = 'U' WHERE id = 'AbC'").await, ["text \"AbC\""]);
        // Equal under MariaDB's collations, and another value.
        assert_eq!(watched.noted_of("UPDATE tokens SET t = 't2' WHERE id = 'AbC'").await, ["text \"AbC\""]);
        assert_eq!(watched.noted_of("UPDATE tokens SET t = 't2 ' WHERE id = 'AbC'").await, ["text \"AbC\""]);
        assert_eq!(watched.noted_of("DELETE FROM tokens WHERE id = 'pad '").await, ["text \"pad \""]);
    }

    async fn a_key_that_changes_is_noted_twice(database: Database) {
        let watched = tokens(database).await;
        watched.noted_of("INSERT INTO tokens VALUES ('AbC', 'u', 'p', 't', 1)").await;
        let noted = watched.noted_of("UPDATE tokens SET id = 'abc' WHERE id = 'AbC'").await;
        assert_eq!(noted, ["text \"AbC\"", "text \"abc\""]);
        let noted = watched.noted_of("UPDATE tokens SET id = 'abc ' WHERE id = 'abc'").await;
        assert_eq!(noted, ["text \"abc \"", "text \"abc\""]);
    }

    async fn what_no_row_is_made_from_is_not_noted(database: Database) {
        let watched = tokens(database).await;
        watched.noted_of("INSERT INTO tokens VALUES ('a', 'u', 'p', 't', 1)").await;
        assert!(watched.noted_of("UPDATE tokens SET seen = 2").await.is_empty());
        assert!(watched.noted_of("UPDATE tokens SET t = 't', id = 'a'").await.is_empty());
        assert!(watched.noted_of("DELETE FROM tokens WHERE id = 'nobody'").await.is_empty());
    }

    async fn what_is_rolled_back_is_not_noted(database: Database) {
        let watched = tokens(database).await;
        let transaction = watched.source.connection.begin().await.unwrap();
        transaction.execute_unprepared("INSERT INTO tokens VALUES ('a', 'u', 'p', 't', 1)").await.unwrap();
        assert_eq!(watched.watch.count(&transaction).await.unwrap(), 1);
        transaction.rollback().await.unwrap();
        assert!(watched.noted().await.is_empty());
    }

    async fn every_way_of_writing_is_noted(database: Database) {
        let watched = tokens(database).await;
        watched.noted_of("INSERT INTO tokens VALUES ('a', 'u', 'p', 't', 1), ('b', 'u', 'p', 't', 1)").await;
        let upsert = match watched.kind() {
            Kind::MariaDb | Kind::MySql => {
                assert_eq!(watched.noted_of("REPLACE INTO tokens VALUES ('a', 'u', 'p', 'r', 1)").await.first().unwrap(), "text \"a\"");
                assert_eq!(watched.noted_of("INSERT IGNORE INTO tokens VALUES ('a', 'u', 'p', 'x', 1)").await.len(), 0);
                "INSERT INTO tokens VALUES ('b', 'u', 'p', 'n', 1) ON DUPLICATE KEY UPDATE t = 'd'"
            }
            _ => "INSERT INTO tokens VALUES ('b', 'u', 'p', 'n', 1) ON CONFLICT (id) DO UPDATE SET t = 'd'",
        };
        assert_eq!(watched.noted_of(upsert).await, ["text \"b\""]);
        assert_eq!(watched.noted_of("DELETE FROM tokens").await, ["text \"a\"", "text \"b\""]);
    }

    async fn at_most_so_many_are_given(database: Database) {
        let watched = tokens(database).await;
        let rows: Vec<String> = (0..1200).map(|at| format!("('k-{at:04}', 'u', 'p', 't', 1)")).collect();
        watched.source.run(&format!("INSERT INTO tokens VALUES {}", rows.join(", "))).await;
        let connection = &watched.source.connection;
        let first = watched.watch.changes(connection, 7).await.unwrap();
        assert_eq!(first.len(), 7);
        watched.watch.forget(connection, &first).await.unwrap();
        // Once more does no harm.
        watched.watch.forget(connection, &first).await.unwrap();
        assert_eq!(watched.watch.count(connection).await.unwrap(), 1193);
        assert_eq!(watched.noted().await.len(), 1193);
    }

    async fn what_has_no_key_or_is_a_view_is_refused(database: Database) {
        let source = Source::on(database).await;
        source.run(crate::migrate_change::watched::TOKENS).await;
        source.run("CREATE VIEW seen AS SELECT * FROM tokens").await;
        for mapping in [mapping("tokens", "", ""), mapping("seen", "\"id\"", "")] {
            let table = source.open(&mapping, &Codecs::new(SourceKeys::none())).await.unwrap();
            let error = ChangeCapture::new(&table, 0, &owner()).unwrap_err();
            assert_eq!(error.kind(), SourceErrorKind::Schema);
            assert!(error.to_string().contains("cannot be moved online"), "{error}");
        }
    }

    async fn the_application_sees_nothing_of_it(database: Database) {
        let source = Source::on(database).await;
        source.run("CREATE TABLE tokens (id {id}, u VARCHAR(9), p VARCHAR(9), t VARCHAR(9))").await;
        // So that the table counts from elsewhere than a log that counted would.
        source.run("INSERT INTO tokens (u, p, t) VALUES ('u', 'p', 't'), ('u', 'p', 't'), ('u', 'p', 't'), ('u', 'p', 't'), ('u', 'p', 't')").await;
        let watched = Watched::of(source, &mapping("tokens", "\"id\"", "")).await;
        let last = match watched.kind() {
            Kind::Sqlite => "SELECT last_insert_rowid()",
            Kind::Postgres => "SELECT lastval()",
            _ => "SELECT CAST(LAST_INSERT_ID() AS SIGNED)",
        };
        let connection = watched.source.connection.begin().await.unwrap();
        let backend = connection.get_database_backend();
        for id in 6..=8_i64 {
            let done = connection.execute_unprepared("INSERT INTO tokens (u, p, t) VALUES ('u', 'p', 't')").await.unwrap();
            assert_eq!(done.rows_affected(), 1);
            let row = connection.query_one_raw(sea_orm::Statement::from_string(backend, last)).await.unwrap();
            assert_eq!(row.unwrap().try_get_by_index::<i64>(0).unwrap(), id);
        }
    }
}

async fn replacing(kind: Kind) -> Watched {
    let source = Source::on(Database::create(kind).await).await;
    source.run("CREATE TABLE tokens (id VARCHAR(9) NOT NULL PRIMARY KEY, u VARCHAR(9), p VARCHAR(9), t VARCHAR(9), UNIQUE (u, p));
        INSERT INTO tokens VALUES ('a', 'u', 'p', 't'), ('b', 'u', 'q', 't')").await;
    Watched::of(source, &mapping("tokens", "\"id\"", "")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_notes_rows_that_are_replaced_by_another_key() {
    let watched = replacing(Kind::Sqlite).await;
    let noted = watched.noted_of("INSERT OR REPLACE INTO tokens VALUES ('c', 'u', 'p', 't')").await;
    assert_eq!(noted, ["text \"a\"", "text \"c\""]);
    let noted = watched.noted_of("UPDATE OR REPLACE tokens SET p = 'q' WHERE id = 'c'").await;
    assert_eq!(noted, ["text \"b\"", "text \"c\""]);
    let noted = watched.noted_of("INSERT OR IGNORE INTO tokens VALUES ('d', 'u', 'x', 't')").await;
    assert_eq!(noted, ["text \"d\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_notes_truncate() {
    if Kind::Postgres.is_available() {
        let watched = tokens(Database::create(Kind::Postgres).await).await;
        assert_eq!(watched.noted_of("TRUNCATE tokens").await, ["all"]);
        let copy = "INSERT INTO tokens SELECT 'k', 'u', 'p', 't', 1";
        assert_eq!(watched.noted_of(copy).await, ["text \"k\""]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_needs_no_right_of_the_application_to_the_log() {
    if Kind::Postgres.is_available() {
        let watched = tokens(Database::create(Kind::Postgres).await).await;
        let role = format!("session_test_{}", uuid::Uuid::now_v7().simple());
        watched.source.run(&format!("CREATE ROLE {role}; GRANT ALL ON tokens TO {role}")).await;
        let transaction = watched.source.connection.begin().await.unwrap();
        transaction.execute_unprepared(&format!("SET LOCAL ROLE {role}")).await.unwrap();
        let written = transaction
            .execute_unprepared("INSERT INTO tokens VALUES ('a', 'u', 'p', 't', 1)")
            .await;
        written.unwrap();
        assert!(watched.watch.count(&transaction).await.is_err());
        transaction.rollback().await.unwrap();
        let transaction = watched.source.connection.begin().await.unwrap();
        transaction.execute_unprepared(&format!("SET LOCAL ROLE {role}; SET LOCAL search_path = pg_temp; INSERT INTO public.tokens VALUES ('a', 'u', 'p', 't', 1)")).await.unwrap();
        transaction.commit().await.unwrap();
        watched.source.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
        assert_eq!(watched.noted().await, ["text \"a\""]);
    }
}
