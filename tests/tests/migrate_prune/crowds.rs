//! Users are read whole, whatever the size of a page, and each row once.

use std::collections::BTreeSet;

use session_migrate::source::{ListOn, UserCursor};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::migrate_prune::table::{Mapped, grants, mapped};
use session_tests::source::Source;

/// Reads page by page, and returns the keys. All rows of a user must come in one page.
async fn read(mapped: &Mapped, list_on: ListOn<'_>, limit: u32) -> Vec<String> {
    let source = &mapped.source;
    let table = source.open(&mapped.mapping, &mapped.codecs).await.unwrap();
    let (mut keys, mut seen, mut after) = (Vec::new(), BTreeSet::new(), None);
    loop {
        let page = table.rows_by_user(&source.connection, list_on, after.as_ref(), limit);
        let (rows, next) = page.await.unwrap();
        let users: BTreeSet<String> = rows.iter().filter_map(|row| row.user.clone()).collect();
        assert!(seen.is_disjoint(&users), "a user came in two pages: {users:?}");
        assert!(users.is_empty() || rows.iter().all(|row| row.user.is_some()));
        seen.extend(users);
        keys.extend(rows.iter().map(|row| row.key.to_string()));
        // The cursor survives as text, for another process.
        after = next.map(|cursor| cursor.to_string().parse::<UserCursor>().unwrap());
        if after.is_none() {
            keys.sort();
            return keys;
        }
    }
}

async fn check(mapped: &Mapped) {
    let mut expected: Vec<String> =
        mapped.rows().await.iter().map(|row| row.key.to_string()).collect();
    expected.sort();
    for limit in [1, 2, 7, 10_000] {
        let address = ListOn::Address(mapped.source.database.url());
        assert_eq!(read(mapped, address, limit).await, expected, "{limit}");
        // Without the list, each page sorts.
        assert_eq!(read(mapped, ListOn::Address("nowhere"), limit).await, expected, "{limit}");
    }
}

on_every_database! {
    async fn users_are_read_whole_whatever_the_database_takes_for_equal(database: Database) {
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

    async fn a_user_who_is_stored_in_two_classes_or_with_an_index(database: Database) {
        let source = Source::on(database).await;
        let kind = if source.kind() == Kind::Sqlite { "ANY_CLASS" } else { "VARCHAR(64)" };
        source.run(&format!("CREATE TABLE holders (id {{id}}, person {kind} NULL, provider VARCHAR(9), token TEXT)")).await;
        let users = match source.kind() {
            Kind::Sqlite => ["7", "'7'", "x'37'", "'ann'", "x'616e6e'", "NULL", "'b'"],
            _ => ["'7'", "'7'", "'7 '", "'ann'", "'ANN'", "NULL", "'b'"],
        };
        for (at, user) in users.iter().cycle().take(60).enumerate() {
            source.run(&format!("INSERT INTO holders VALUES ({}, {user}, 'p', 't')", at + 1)).await;
        }
        let mapped = mapped(source, r#"
            [[mapping]]
            table = "holders"
            key = ["id"]
            user = { column = "person" }
            provider = { column = "provider" }
            tokens.access = { column = "token" }
        "#);
        check(&mapped).await;
        mapped.source.run("CREATE INDEX holders_person ON holders (person)").await;
        check(&mapped).await;
        mapped.source.run("DELETE FROM holders WHERE person IN ('7', 'ann', 'b') OR id > 40").await;
        check(&mapped).await;
    }
}
