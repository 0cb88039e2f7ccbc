//! Joined tables and parents.

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use session_migrate::source::Cell;
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::migrate_change::watched::{TOKENS, Watched, mapping};
use session_tests::source::Source;

const PARENT: &str = "parent = [{ table = \"people\", column = \"id\" }]";

async fn cascading(database: Database) -> Watched {
    let source = Source::on(database).await;
    source.run("
        CREATE TABLE people (id VARCHAR(40) NOT NULL PRIMARY KEY, seen BIGINT);
        CREATE TABLE tokens (id VARCHAR(40) NOT NULL PRIMARY KEY, u VARCHAR(40), p VARCHAR(40),
          t VARCHAR(40), FOREIGN KEY (u) REFERENCES people (id) ON DELETE CASCADE);
        INSERT INTO people VALUES ('ann', 1), ('bob', 1);
        INSERT INTO tokens VALUES ('a', 'ann', 'p', 't'), ('b', 'ann', 'q', 't'), ('c', 'bob', 'p', 't')").await;
    Watched::of(source, &mapping("tokens", "\"id\"", PARENT)).await
}

on_every_database! {
    async fn a_parent_is_noted_where_it_comes_and_goes(database: Database) {
        let source = Source::on(database).await;
        source.run(TOKENS).await;
        source.run("CREATE TABLE people (id VARCHAR(40) NOT NULL PRIMARY KEY, seen BIGINT)").await;
        let watched = Watched::of(source, &mapping("tokens", "\"id\"", PARENT)).await;
        watched.noted_of("INSERT INTO tokens VALUES ('a', 'ann', 'p', 't', 1), ('b', 'Ann', 'p', 't', 1), ('c', 'bob', 'p', 't', 1)").await;
        assert_eq!(watched.noted_of("INSERT INTO people VALUES ('ann', 1)").await, ["u -> text \"ann\""]);
        assert!(watched.noted_of("UPDATE people SET seen = 2").await.is_empty());
        let noted = watched.noted_of("UPDATE people SET id = 'Ann'").await;
        assert_eq!(noted, ["u -> text \"Ann\"", "u -> text \"ann\""]);
        assert_eq!(watched.noted_of("DELETE FROM people").await, ["u -> text \"Ann\""]);
        let values = [Cell::Text("Ann".to_owned()), Cell::Null, Cell::Text("nobody".to_owned())];
        let rows = watched.table.rows_related(&watched.source.connection, "u", None, &values).await.unwrap();
        assert!(rows.iter().any(|row| row.key.to_string() == "b" && row.is_orphan), "{rows:?}");
        assert!(!rows.iter().any(|row| row.key.to_string() == "c"), "{rows:?}");
    }

    async fn what_a_parent_cascades_is_noted(database: Database) {
        let watched = cascading(database).await;
        let transaction = watched.source.connection.begin().await.unwrap();
        transaction.execute_unprepared("DELETE FROM people WHERE id = 'ann'").await.unwrap();
        transaction.commit().await.unwrap();
        let noted = watched.noted().await;
        assert_eq!(noted, ["text \"a\"", "text \"b\"", "u -> text \"ann\""]);
        let (rows, _) = watched.table.batch(&watched.source.connection, None, 9).await.unwrap();
        assert_eq!(rows.len(), 1);
    }

    async fn a_joined_table_is_noted_where_it_is_read(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE people (id BIGINT NOT NULL PRIMARY KEY);
            CREATE TABLE accounts (id BIGINT NOT NULL PRIMARY KEY, person BIGINT, name VARCHAR(40), seen BIGINT);
            CREATE TABLE tokens (id {id}, account BIGINT, t VARCHAR(40));
            INSERT INTO people VALUES (1), (2);
            INSERT INTO accounts VALUES (10, 1, 'google', 0), (20, 2, 'google', 0);
            INSERT INTO tokens VALUES (100, 10, 't'), (200, 20, 't'), (300, 30, 't')").await;
        let mapping = session_migrate::source::Mappings::from_toml("
            [[mapping]]
            table = \"tokens\"
            key = [\"id\"]
            join = [{ name = \"account\", table = \"accounts\", column = \"id\", on = { column = \"account\" } }]
            user = { column = \"person\", join = \"account\" }
            provider = { column = \"name\", join = \"account\" }
            tokens.access = { column = \"t\" }
            parent = [
                { table = \"accounts\", column = \"id\", child = { column = \"account\" } },
                { table = \"people\", column = \"id\" },
            ]").unwrap().mapping.remove(0);
        let watched = Watched::of(source, &mapping).await;
        // The account is a join and a parent, and is noted once.
        assert_eq!(watched.noted_of("INSERT INTO accounts VALUES (30, 2, 'x', 0)").await, ["account -> integer \"30\""]);
        assert!(watched.noted_of("UPDATE accounts SET seen = 1").await.is_empty());
        assert_eq!(watched.noted_of("UPDATE accounts SET name = 'Google' WHERE id = 10").await, ["account -> integer \"10\""]);
        assert_eq!(watched.noted_of("DELETE FROM people WHERE id = 2").await, ["account.person -> integer \"2\""]);
        let connection = &watched.source.connection;
        let rows = watched.table.rows_related(connection, "person", Some("account"), &[Cell::Integer(2)]).await.unwrap();
        let mut keys: Vec<String> = rows.iter().map(|row| row.key.to_string()).collect();
        keys.sort();
        assert_eq!(keys, ["200", "300"]);
        assert!(rows.iter().all(|row| row.is_orphan));
        let rows = watched.table.rows_related(connection, "account", None, &[Cell::Integer(10)]).await.unwrap();
        assert_eq!((rows.len(), rows[0].provider.as_deref()), (1, Some("Google")));
        assert!(watched.table.rows_related(connection, "account", Some("none"), &[]).await.is_err());
    }

    async fn a_parent_of_another_type_is_found_as_text(database: Database) {
        let source = Source::on(database).await;
        source.run(TOKENS).await;
        source.run("CREATE TABLE people (id BIGINT NOT NULL PRIMARY KEY)").await;
        let watched = Watched::of(source, &mapping("tokens", "\"id\"", PARENT)).await;
        watched.noted_of("INSERT INTO tokens VALUES ('a', '5', 'p', 't', 1), ('b', '05', 'p', 't', 1)").await;
        assert_eq!(watched.noted_of("INSERT INTO people VALUES (5)").await, ["u -> integer \"5\""]);
        let rows = watched.table.rows_related(&watched.source.connection, "u", None, &[Cell::Integer(5)]).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].key.to_string().as_str(), rows[0].is_orphan), ("a", false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_notes_a_parent_that_is_truncated() {
    if Kind::Postgres.is_available() {
        let watched = cascading(Database::create(Kind::Postgres).await).await;
        assert_eq!(watched.noted_of("TRUNCATE people CASCADE").await, ["all", "all"]);
    }
}
