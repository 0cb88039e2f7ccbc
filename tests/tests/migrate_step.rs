//! The move as a step in the migrator of an application, on every database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement, TransactionTrait as _};
use sea_orm_migration::{MigrationTrait, MigratorTraitSelf};
use session_core::Keyring;
use session_migrate::cap::Cap;
use session_migrate::source::Mappings;
use session_migrate::{Layout, Move, MoveOptions, MoveSessions};
use session_tests::database::Database;
use session_tests::on_every_database;

const KEYS: &str = "step:AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const STEP: &str = "m20261201_000001_move";

const MAPPING: &str = r#"
[[mapping]]
table = "accounts"
key = ["id"]
user = { column = "owner" }
provider = { constant = "oidc" }
tokens.access = { column = "access" }
tokens.refresh = { column = "refresh" }
created = { column = "made", unit = "s" }
newest_by = "created"
"#;

/// An application's migrator.
struct Migrator {
    url: String,
    max: u32,
    has_tables: bool,
}

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let mut steps = if self.has_tables { session_migrate::migrations() } else { Vec::new() };
        let (url, max) = (self.url.clone(), self.max);
        steps.push(Box::new(MoveSessions::new(STEP, move || Ok(options(&url, max)))));
        steps
    }
}

fn options(url: &str, max: u32) -> MoveOptions {
    let mappings = Mappings::from_toml(MAPPING).unwrap();
    MoveOptions::new(url, Layout::Mapped(mappings))
        .keyring(Keyring::parse(KEYS).unwrap())
        .cap(Cap::max_sessions(max.try_into().unwrap()))
}

fn of(database: &Database, max: u32) -> Migrator {
    Migrator { url: database.url().to_owned(), max, has_tables: true }
}

async fn filled(database: &Database) -> DatabaseConnection {
    let connection = database.connect().await;
    for sql in [
        "CREATE TABLE accounts (id VARCHAR(40) NOT NULL PRIMARY KEY, owner VARCHAR(40) NOT NULL, \
         access VARCHAR(100), refresh VARCHAR(100), made BIGINT NOT NULL)",
        "INSERT INTO accounts VALUES ('a', 'ann', 'a-1', 'r-1', 1), ('b', 'ann', 'a-2', 'r-2', 2), \
         ('c', 'ann', 'a-3', 'r-3', 3), ('d', 'bob', 'a-4', NULL, 4)",
    ] {
        connection.execute_unprepared(sql).await.unwrap();
    }
    connection
}

async fn count(connection: &DatabaseConnection, sql: &str) -> i64 {
    let asked = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_one_raw(asked).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

const MOVED: &str = "SELECT COUNT(*) FROM login_session";
const NOTED: &str = "SELECT COUNT(*) FROM seaql_migrations";

/// As if the process had been killed after the move, and before the migrator noted it.
async fn forget(connection: &DatabaseConnection) {
    let sql = format!("DELETE FROM seaql_migrations WHERE version = '{STEP}'");
    connection.execute_unprepared(&sql).await.unwrap();
}

on_every_database! {
    async fn the_step_moves_once_and_is_taken_back(database: Database) {
        let connection = filled(&database).await;
        let migrator = of(&database, 2);
        migrator.up(&connection, None).await.unwrap();
        assert_eq!((count(&connection, MOVED).await, count(&connection, NOTED).await), (3, 3));
        let report = Move::new(options(database.url(), 2)).verify(|_| ()).await.unwrap();
        assert_eq!((report.source_rows, report.pruned, report.mismatches), (4, 1, 0));

        forget(&connection).await;
        migrator.up(&connection, None).await.unwrap();
        assert_eq!((count(&connection, MOVED).await, count(&connection, NOTED).await), (3, 3));

        migrator.down(&connection, Some(1)).await.unwrap();
        assert_eq!((count(&connection, MOVED).await, count(&connection, NOTED).await), (0, 2));
        // The source takes writes again.
        connection.execute_unprepared("DELETE FROM accounts WHERE id = 'd'").await.unwrap();
        migrator.up(&connection, None).await.unwrap();
        assert_eq!(count(&connection, MOVED).await, 2);
    }

    async fn changed_words_are_an_error(database: Database) {
        let connection = filled(&database).await;
        of(&database, 2).up(&connection, None).await.unwrap();
        forget(&connection).await;
        let error = of(&database, 1).up(&connection, None).await.unwrap_err().to_string();
        assert!(error.contains(STEP) && error.contains("begun with another cap:"), "{error}");
        assert_eq!((count(&connection, MOVED).await, count(&connection, NOTED).await), (3, 2));
        of(&database, 2).up(&connection, None).await.unwrap();
    }

    async fn a_finalized_move_is_done_and_stays(database: Database) {
        let connection = filled(&database).await;
        of(&database, 2).up(&connection, None).await.unwrap();
        Move::new(options(database.url(), 2)).finalize().await.unwrap();
        forget(&connection).await;
        of(&database, 2).up(&connection, None).await.unwrap();
        assert_eq!(count(&connection, NOTED).await, 3);
        of(&database, 2).down(&connection, Some(1)).await.unwrap_err();
        assert_eq!((count(&connection, MOVED).await, count(&connection, NOTED).await), (3, 3));
    }

    async fn what_cannot_be_meant_writes_nothing(database: Database) {
        let connection = filled(&database).await;
        let without = Migrator { has_tables: false, ..of(&database, 2) };
        let error = without.up(&connection, None).await.unwrap_err().to_string();
        assert!(error.contains("session_migrate::migrations()"), "{error}");

        // Another database than the migrator's.
        let other = Database::create(database.kind()).await;
        filled(&other).await.close().await.unwrap();
        let elsewhere = of(&other, 2);
        session_migrate::up(other.url()).await.unwrap();
        let error = elsewhere.up(&connection, None).await.unwrap_err().to_string();
        assert!(error.contains("not that of the migrator's database"), "{error}");

        // In a transaction each would wait for the other.
        let transaction = connection.begin().await.unwrap();
        let error = of(&database, 2).up(&transaction, None).await.unwrap_err().to_string();
        assert!(error.contains("transaction"), "{error}");
        transaction.rollback().await.unwrap();
        assert_eq!(count(&connection, "SELECT COUNT(*) FROM accounts").await, 4);
    }
}
