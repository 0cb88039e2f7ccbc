//! Compares the migrations with the entities, the values and the queries of the store, on every
//! database.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::store_support::{admit, capped, migrated};
use sea_orm::sea_query::ColumnType;
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, DatabaseConnection, EntityTrait, Iterable,
    Statement,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use session_core::policy::OnFull;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::store::sea_orm::entity::{admission_lock, event, revocation, session};
use session_core::store::{SessionLookup as _, SessionUpdates as _};
use session_core::testing::sample::{self, Login};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

/// A column as a database describes it, or as an entity does.
#[derive(Debug, PartialEq, Eq)]
struct Described {
    name: String,
    kind: &'static str,
    is_nullable: bool,
}

/// These tables have no entities: `session-migrate` uses statements.
const SESSION_MOVE: &str = "id uuid, state text, phase text, is_paused integer, runner uuid?, \
    owner text?, options text, plan_digest text?, progress text, sealed_cursor bytes?, \
    started_at integer, updated_at integer, switched_at integer?, finished_at integer?, \
    worked_ms integer, sealed_keys bytes?, is_blocked integer?, \
    connections text?";
const SESSION_MOVE_ASIDE: &str = "session_id uuid, move_id uuid, state text, reason text?, \
    user_id text?, provider text?, sealed_row bytes, seal_key text, set_aside_at integer";

/// Returns the file for those who do not use SeaORM.
fn sql_file(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => include_str!("../../session-migrate/sql/sqlite.sql"),
        Kind::Postgres => include_str!("../../session-migrate/sql/postgres.sql"),
        Kind::MariaDb => include_str!("../../session-migrate/sql/mariadb.sql"),
        Kind::MySql => include_str!("../../session-migrate/sql/mysql.sql"),
    }
}

on_every_database! {
    async fn the_tables_are_those_of_the_entities(kind: Kind) {
        let pool = migrated(kind).await;
        let pool = pool.connect().await;
        assert_eq!(of_table(&pool, kind, "login_session").await, of_entity::<session::Entity>());
        assert_eq!(of_table(&pool, kind, "login_session_event").await, of_entity::<event::Entity>());
        let outbox = of_table(&pool, kind, "provider_revocation").await;
        assert_eq!(outbox, of_entity::<revocation::Entity>());
        let locks = of_table(&pool, kind, "admission_lock").await;
        assert_eq!(locks, of_entity::<admission_lock::Entity>());
    }

    async fn the_tables_of_migrations_are_those_of_the_journal(kind: Kind) {
        let pool = migrated(kind).await;
        let pool = pool.connect().await;
        assert_eq!(of_table(&pool, kind, "session_move").await, of_text(SESSION_MOVE));
        assert_eq!(of_table(&pool, kind, "session_move_aside").await, of_text(SESSION_MOVE_ASIDE));
    }

    async fn an_interrupted_step_is_run_again(kind: Kind) {
        let database = Database::create(kind).await;
        session_migrate::up(database.url()).await.unwrap();
        let pool = database.connect().await;
        pool.execute_unprepared("DROP TABLE admission_lock").await.unwrap();
        pool.execute_unprepared("DROP TABLE session_move_aside").await.unwrap();
        pool.execute_unprepared("DELETE FROM session_migration").await.unwrap();
        let applied = session_migrate::up(database.url()).await.unwrap();
        assert_eq!(applied.len(), session_migrate::migrations().len());
        let locks = of_table(&pool, kind, "admission_lock").await;
        assert_eq!(locks, of_entity::<admission_lock::Entity>());
        assert_eq!(of_table(&pool, kind, "login_session").await, of_entity::<session::Entity>());
        assert_eq!(of_table(&pool, kind, "session_move_aside").await, of_text(SESSION_MOVE_ASIDE));
        assert!(session_migrate::up(database.url()).await.unwrap().is_empty(), "nothing is left");
    }

    async fn the_sql_files_make_the_same_tables(kind: Kind) {
        let database = Database::create(kind).await;
        let pool = database.connect().await;
        for statement in sql_file(kind).split(';').map(str::trim).filter(|text| !text.is_empty()) {
            pool.execute_unprepared(statement).await.unwrap();
        }
        let steps = session_migrate::status(database.url()).await.unwrap();
        assert!(steps.iter().all(|step| step.is_applied), "{steps:?}");
        assert!(session_migrate::up(database.url()).await.unwrap().is_empty(), "nothing is left");
        assert_eq!(of_table(&pool, kind, "login_session").await, of_entity::<session::Entity>());
        assert_eq!(of_table(&pool, kind, "session_move").await, of_text(SESSION_MOVE));
        let policy = capped(1, OnFull::EvictOldest);
        admit(&SeaOrmStore::new(pool), &Login::of("ann", "okta"), &policy).await.unwrap();
    }

    async fn one_of_many_processes_migrates(kind: Kind) {
        let database = Database::create(kind).await;
        let all = (0..6).map(|_| session_migrate::up(database.url()));
        let all = futures_util::future::join_all(all).await;
        let applied: usize = all.into_iter().map(|applied| applied.unwrap().len()).sum();
        assert_eq!(applied, session_migrate::migrations().len());
    }

    async fn down_removes_what_up_created(kind: Kind) {
        let database = migrated(kind).await;
        assert!(session_migrate::status(database.url()).await.unwrap().iter().all(|s| s.is_applied));
        session_migrate::down(database.url()).await.unwrap();
        let steps = session_migrate::status(database.url()).await.unwrap();
        assert!(!steps.is_empty() && steps.iter().all(|step| !step.is_applied));
        let pool = database.connect().await;
        assert!(pool.execute_unprepared("SELECT 1 FROM login_session").await.is_err());
        session_migrate::up(database.url()).await.unwrap();
    }

    async fn the_steps_run_among_those_of_an_application(kind: Kind) {
        let database = Database::create(kind).await;
        let pool = database.connect().await;
        Application::up(&pool, None).await.unwrap();
        let store = SeaOrmStore::new(pool.clone());
        assert!(store.list(&sample::user("ann")).await.unwrap().is_empty());
        // The steps as a separate migrator use another history table, and find the tables in place.
        session_migrate::up(database.url()).await.unwrap();
        let applied = Application::get_applied_migrations(&pool).await.unwrap();
        assert_eq!(applied.len(), session_migrate::migrations().len());
    }

    async fn text_is_compared_byte_for_byte(kind: Kind) {
        let database = migrated(kind).await;
        let store = SeaOrmStore::connect(database.url()).await.unwrap();
        let policy = capped(1, OnFull::EvictOldest);
        let names = ["ann", "Ann", "ann ", "änn", "a\u{308}nn", "ann\u{200b}", "ÅNN", "ß", "ss"];
        for name in names {
            let login = Login::of(name, "okta").sid(name);
            assert!(admit(&store, &login, &policy).await.unwrap().is_empty(), "{name:?} is a user of its own");
        }
        for name in names {
            let sessions = store.list(&sample::user(name)).await.unwrap();
            assert_eq!(sessions.len(), 1, "{name:?}");
            assert_eq!(sessions[0].user, sample::user(name));
        }
    }

    async fn a_lock_that_was_left_behind_holds_up_no_process_whose_steps_are_applied(kind: Kind) {
        let database = migrated(kind).await;
        let one = |options: &mut ConnectOptions| {
            options.max_connections(1);
        };
        let other = database.connect_with(one).await;
        let lock = match kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => "SELECT pg_advisory_lock(8315179226603546482)",
            Kind::MariaDb | Kind::MySql => {
                "SELECT GET_LOCK(CONCAT('session-migrate:', LEFT(SHA2(DATABASE(), 256), 40)), 1)"
            }
        };
        other.execute_unprepared(lock).await.unwrap();
        let up = tokio::time::timeout(Duration::from_secs(30), session_migrate::up(database.url()));
        assert!(up.await.unwrap().unwrap().is_empty(), "it waits for nothing");
        drop(other);
    }

    async fn every_query_uses_an_index(kind: Kind) {
        let database = migrated(kind).await;
        crate::store_support::plans::check(&database).await;
    }
}

/// A touch changes no index, so that PostgreSQL writes it as a heap-only tuple: at intervals of five
/// minutes, unless an hour begins or a page is full.
#[tokio::test(flavor = "multi_thread")]
async fn a_touch_changes_no_index_of_postgres() {
    if !Kind::Postgres.is_available() {
        return;
    }
    let database = migrated(Kind::Postgres).await;
    let store = SeaOrmStore::connect(database.url()).await.unwrap();
    let policy = capped(1, OnFull::EvictOldest);
    let logins: Vec<_> = (0..64).map(|n| Login::of(&format!("user-{n}"), "okta")).collect();
    for login in &logins {
        admit(&store, login, &policy).await.unwrap();
    }
    for minutes in (5..=100).step_by(5) {
        for login in &logins {
            let at = sample::now() + std::time::Duration::from_secs(minutes * 60);
            store.touch(login.id(), at).await.unwrap();
        }
    }
    // A connection reports its statistics when it is closed.
    store.connection().clone().close().await.unwrap();
    let [touches, heap_only] = updates(&database.connect().await, 64 * 20).await;
    assert!(heap_only * 2 >= touches, "{heap_only} of {touches} are heap-only tuples");
}

/// Returns how many rows were updated, once at least so many were, and how many heap-only.
async fn updates(pool: &DatabaseConnection, at_least: i64) -> [i64; 2] {
    let sql = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables \
               WHERE relname = 'login_session'";
    for _ in 0..200 {
        let statement = Statement::from_string(pool.get_database_backend(), sql);
        let row = pool.query_one_raw(statement).await.unwrap().unwrap();
        let counted = [0, 1].map(|column| row.try_get_by_index::<i64>(column).unwrap());
        if counted[0] >= at_least {
            return counted;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the statistics do not show the touches");
}

/// An application whose migrator includes the steps.
struct Application;

impl MigratorTrait for Application {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        session_migrate::migrations()
    }
}

fn of_entity<E: EntityTrait>() -> Vec<Described> {
    let described = E::Column::iter().map(|column| {
        let definition = column.def();
        let kind = match definition.get_column_type() {
            ColumnType::Uuid => "uuid",
            ColumnType::BigInteger => "integer",
            ColumnType::String(_) | ColumnType::Text => "text",
            ColumnType::VarBinary(_) | ColumnType::Blob | ColumnType::Binary(_) => "bytes",
            other => panic!("{}: {other:?}", E::default().table_name()),
        };
        let name = sea_orm::Iden::to_string(&column);
        Described { name, kind, is_nullable: definition.is_null() }
    });
    described.collect()
}

/// Parses columns of the form `name kind`, with a `?` after those that may be null.
fn of_text(columns: &'static str) -> Vec<Described> {
    let described = columns.split(", ").map(|column| {
        let (name, kind) = column.trim().split_once(' ').unwrap();
        let not_null = kind.trim_end_matches('?');
        Described { name: name.to_owned(), kind: not_null, is_nullable: kind != not_null }
    });
    described.collect()
}

async fn of_table(pool: &DatabaseConnection, kind: Kind, table: &str) -> Vec<Described> {
    let sql = match kind {
        Kind::Sqlite => format!(
            "SELECT name, type, CASE \"notnull\" WHEN 0 THEN 'YES' ELSE 'NO' END \
             FROM pragma_table_info('{table}') ORDER BY cid"
        ),
        Kind::Postgres => format!(
            "SELECT column_name::text, udt_name::text, is_nullable::text \
             FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = '{table}' \
             AND is_generated = 'NEVER' ORDER BY ordinal_position"
        ),
        _ => format!(
            "SELECT CONVERT(column_name USING utf8mb4), CONVERT(column_type USING utf8mb4), \
             CONVERT(is_nullable USING utf8mb4) FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = '{table}' ORDER BY ordinal_position"
        ),
    };
    let statement = Statement::from_string(pool.get_database_backend(), sql);
    let rows = pool.query_all_raw(statement).await.unwrap();
    let ids: BTreeSet<&str> =
        ["id", "session_id", "lease_owner", "moved_by", "move_id", "runner"].into();
    let described = rows.iter().map(|row| {
        let (name, declared): (String, String) =
            (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
        let is_nullable = row.try_get_by_index::<String>(2).unwrap() == "YES";
        // SQLite and MySQL have no type for UUIDs and store them as bytes.
        let kind = match declared.to_lowercase().as_str() {
            "uuid" | "binary(16)" => "uuid",
            "blob" if ids.contains(name.as_str()) => "uuid",
            "blob" | "bytea" | "binary(32)" | "mediumblob" => "bytes",
            "bigint" | "bigint(20)" | "int8" => "integer",
            text if text.starts_with("varchar") || text.ends_with("text") => "text",
            other => panic!("{table}.{name} is {other}"),
        };
        Described { name, kind, is_nullable }
    });
    described.collect()
}
