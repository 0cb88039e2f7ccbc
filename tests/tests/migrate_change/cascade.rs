//! What a foreign key does to the rows of its table, for which MySQL and MariaDB fire no trigger.

use sea_orm::ConnectionTrait as _;
use session_migrate::capture::ChangeCapture;
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::migrate_change::watched::{Watched, long, mapping};

/// A tenant's people with their tokens: deleting a tenant deletes them all.
const TABLES: &str = "
    CREATE TABLE tenants (id VARCHAR(40) NOT NULL PRIMARY KEY);
    CREATE TABLE people (id VARCHAR(40) NOT NULL PRIMARY KEY, tenant VARCHAR(40), seen BIGINT,
      FOREIGN KEY (tenant) REFERENCES tenants (id) ON DELETE CASCADE);
    CREATE TABLE tokens (id VARCHAR(40) NOT NULL PRIMARY KEY, u VARCHAR(40), p VARCHAR(40),
      t VARCHAR(40), FOREIGN KEY (u) REFERENCES people (id) ON DELETE CASCADE ON UPDATE CASCADE);
    INSERT INTO tenants VALUES ('x'), ('y'), ('z');
    INSERT INTO people VALUES ('ann', 'x', 1), ('bob', 'y', 1), ('cid', 'z', 1);
    INSERT INTO tokens VALUES ('a', 'ann', 'p', 't'), ('b', 'ann', 'q', 't'), ('c', 'bob', 'p', 't')";

async fn watched(database: Database) -> Watched {
    let source = Source::on(database).await;
    source.run(TABLES).await;
    Watched::of(source, &mapping("tokens", "\"id\"", "")).await
}

on_every_database! {
    async fn a_cascade_is_logged_by_the_keys_of_its_rows(database: Database) {
        let watched = watched(database).await;
        let keys = async |sql: &str| {
            let mut keys = watched.noted_of(sql).await;
            keys.dedup();
            keys
        };
        assert_eq!(keys("UPDATE people SET id = 'Ann' WHERE id = 'ann'").await, ["text \"a\"", "text \"b\""]);
        assert_eq!(keys("UPDATE people SET seen = 2").await, [""; 0]);
        assert_eq!(keys("DELETE FROM tenants WHERE id = 'y'").await, ["text \"c\""]);
        assert_eq!(keys("DELETE FROM people WHERE id = 'Ann'").await, ["text \"a\"", "text \"b\""]);
        assert_eq!(keys("DELETE FROM tenants WHERE id = 'z'").await, [""; 0]);
    }

    async fn a_cascade_is_blocked(database: Database) {
        let watched = watched(database).await;
        let connection = &watched.source.connection;
        watched.watch.block(connection, &long()).await.unwrap();
        for sql in [
            "DELETE FROM people WHERE id = 'ann'",
            "DELETE FROM tenants WHERE id = 'y'",
            "UPDATE people SET id = 'Bob' WHERE id = 'bob'",
        ] {
            let error = connection.execute_unprepared(sql).await.expect_err(sql);
            assert!(error.to_string().contains(ChangeCapture::BLOCK_TEXT), "{error}");
        }
        // What changes no row of the table is let through.
        watched.source.run("UPDATE people SET seen = 3; \nDELETE FROM tenants WHERE id = 'z'").await;
        watched.watch.unblock(connection, &long()).await.unwrap();
        watched.source.run("DELETE FROM tenants").await;
        watched.stop().await;
        assert!(watched.watch.state(connection).await.unwrap().is_clean);
    }
}

/// Writes that logical replication applies fire no ordinary trigger.
#[tokio::test(flavor = "multi_thread")]
async fn replicated_writes_are_logged_and_blocked() {
    if !Kind::Postgres.is_available() {
        return;
    }
    let watched = watched(Database::create(Kind::Postgres).await).await;
    let connection = &watched.source.connection;
    let replicated = |sql: &str| {
        format!("SET session_replication_role = replica; {sql}; RESET session_replication_role")
    };
    connection
        .execute_unprepared(&replicated("UPDATE tokens SET t = 'new' WHERE id = 'a'"))
        .await
        .unwrap();
    assert_eq!(watched.noted().await, ["text \"a\""]);
    watched.watch.block(connection, &long()).await.unwrap();
    let write = replicated("UPDATE tokens SET t = 'newer' WHERE id = 'a'");
    let error = connection.execute_unprepared(&write).await.unwrap_err();
    assert!(error.to_string().contains(ChangeCapture::BLOCK_TEXT), "{error}");
}
