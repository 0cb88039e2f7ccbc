//! The harness itself: databases are fresh and isolated, outages are real and end.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::env;
use std::process::Command;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, IsolationLevel, Statement};
use session_tests::database::{Database, Kind, Migrated};
use session_tests::on_every_database;

on_every_database! {
    async fn fresh_databases_are_isolated(kind: Kind) {
        let (one, other) = (Database::create(kind).await, Database::create(kind).await);
        let (in_one, in_other) = (one.connect().await, other.connect().await);
        in_one.execute_unprepared("CREATE TABLE note (id INT)").await.unwrap();
        in_one.execute_unprepared("INSERT INTO note VALUES (1)").await.unwrap();

        assert_eq!(count(&one.connect().await).await.unwrap(), 1, "a second pool sees the row");
        assert!(count(&in_other).await.is_err(), "the other database has no such table");
    }

    async fn a_migrated_database_has_the_tables(database: Migrated) {
        let link = database.link().await;
        let found = value::<i64>(&link.connect().await, "SELECT COUNT(*) FROM login_session").await;
        assert_eq!(found.unwrap(), 0);
    }

    async fn a_database_is_dropped_with_its_value(kind: Kind) {
        let database = Database::create(kind).await;
        let url = database.url().replace("?mode=rwc", "");
        let open = database.connect().await;
        open.execute_unprepared("CREATE TABLE note (id INT)").await.unwrap();
        drop(database);
        assert!(sea_orm::Database::connect(&url).await.is_err(), "{kind} still has it");
    }

    async fn the_server_is_of_its_kind(database: Database) {
        let sql = match database.kind() {
            Kind::Sqlite => "SELECT 'SQLite ' || sqlite_version()",
            Kind::Postgres | Kind::MariaDb => "SELECT version()",
            Kind::MySql => "SELECT CONCAT('MySQL ', version())",
        };
        let version: String = value(&database.connect().await, sql).await.unwrap();
        let name = database.kind().to_string();
        assert!(version.contains(&name), "{version} is not {name}");
    }

    async fn a_cut_makes_queries_fail_until_it_is_restored(database: Database) {
        let link = database.link().await;
        let pool = link.connect().await;
        pool.execute_unprepared("CREATE TABLE note (id INT)").await.unwrap();

        for _ in 0..2 {
            let outage = link.cut().await;
            assert!(count(&pool).await.is_err(), "a read passes");
            assert!(insert(&pool).await.is_err(), "a write passes");
            outage.restore().await;
            insert(&pool).await.unwrap();
        }
        assert_eq!(count(&pool).await.unwrap(), 2, "nothing was written while it was cut");
    }

    async fn a_cut_refuses_new_connections(database: Database) {
        let earlier = database.connect().await;
        earlier.execute_unprepared("CREATE TABLE note (id INT)").await.unwrap();
        let link = database.link().await;
        let lazy = link.connect_with(|options| { options.connect_lazy(true); }).await;

        let outage = link.cut().await;
        assert!(count(&lazy).await.is_err(), "it got a connection");
        outage.restore().await;
        assert_eq!(count(&lazy).await.unwrap(), 0);
    }

    async fn a_cut_of_one_link_does_not_affect_other_databases(kind: Kind) {
        let (one, other) = (Database::create(kind).await, Database::create(kind).await);
        let pool = other.connect().await;
        let outage = one.link().await.cut().await;
        pool.execute_unprepared("CREATE TABLE note (id INT)").await.unwrap();
        outage.restore().await;
    }

    async fn a_frozen_write_succeeds_after_the_restore_or_fails(database: Database) {
        let link = database.link().await;
        let pool = link.connect().await;
        pool.execute_unprepared("CREATE TABLE note (id INT)").await.unwrap();

        // Opened before: a new connection to a locked file may find it locked.
        let direct = database.connect_with(|options| {
            options.map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(Duration::ZERO));
        }).await;

        let outage = link.freeze().await;
        let writing = tokio::spawn({
            let pool = pool.clone();
            async move { insert(&pool).await }
        });
        assert_eq!(count(&direct).await.unwrap_or(0), 0, "the write passed");
        outage.restore().await;
        let written = writing.await.unwrap().is_ok();
        assert_eq!(count(&pool).await.unwrap(), i64::from(written));
    }

    async fn the_default_isolation_is_the_requested_one(kind: Kind) {
        for level in [
            IsolationLevel::ReadCommitted,
            IsolationLevel::RepeatableRead,
            IsolationLevel::Serializable,
        ] {
            let database = Database::with_isolation(kind, level).await;
            let asked = level.to_string();
            if kind != Kind::Sqlite {
                assert_eq!(isolation(kind, &database.connect().await).await, asked);
                let link = database.link().await;
                assert_eq!(isolation(kind, &link.connect().await).await, asked);
            }
        }
    }
}

/// A frozen server sends nothing; a locked file fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_does_not_answer() {
    for kind in Kind::available().into_iter().filter(|kind| *kind != Kind::Sqlite) {
        let database = Database::create(kind).await;
        let link = database.link().await;
        let pool = link.connect().await;
        let outage = link.freeze().await;
        let asked = tokio::spawn({
            let pool = pool.clone();
            async move { value::<i32>(&pool, "SELECT 1").await }
        });
        // The other connection responds meanwhile.
        let direct = database.connect().await;
        for _ in 0..20 {
            assert_eq!(value::<i32>(&direct, "SELECT 1").await.unwrap(), 1);
        }
        assert!(!asked.is_finished(), "{kind} answered through a frozen link");
        outage.restore().await;
        let answer = tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap().unwrap();
        assert_eq!(answer.unwrap(), 1);
    }
}

#[test]
fn a_missing_server_is_said_aloud() {
    let (passed, output) = run_without_postgres("CI", "false");
    assert!(passed, "{output}");
    assert!(output.contains("not tested on PostgreSQL"), "{output}");
}

#[test]
fn a_missing_required_server_is_a_failure() {
    for (variable, value) in [("CI", "true"), ("SESSION_TEST_REQUIRE", "1")] {
        let (passed, output) = run_without_postgres(variable, value);
        assert!(!passed, "{output}");
        assert!(output.contains("PostgreSQL must be tested"), "{output}");
    }
}

/// Runs one test of this file in another process, with fewer variables.
fn run_without_postgres(variable: &str, value: &str) -> (bool, String) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "harness::fresh_databases_are_isolated::postgres", "--nocapture"])
        .env_remove("SESSION_TEST_POSTGRES_URL")
        .env_remove("SESSION_TEST_REQUIRE")
        .env_remove("CI")
        .env(variable, value)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("running 1 test"), "{text}");
    (output.status.success(), text)
}

async fn value<T: sea_orm::TryGetable>(pool: &DatabaseConnection, sql: &str) -> Result<T, DbErr> {
    let statement = Statement::from_string(pool.get_database_backend(), sql);
    let row = pool.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?.try_get_by_index(0)
}

async fn count(pool: &DatabaseConnection) -> Result<i64, DbErr> {
    value(pool, "SELECT COUNT(*) FROM note").await
}

async fn insert(pool: &DatabaseConnection) -> Result<(), DbErr> {
    pool.execute_unprepared("INSERT INTO note VALUES (1)").await.map(drop)
}

async fn isolation(kind: Kind, pool: &DatabaseConnection) -> String {
    let backend = pool.get_database_backend();
    let shown = match kind {
        Kind::Postgres => value(pool, "SHOW default_transaction_isolation").await,
        // The old and the new name; recent MariaDB has both.
        _ => pool
            .query_one_raw(Statement::from_string(
                backend,
                "SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')",
            ))
            .await
            .and_then(|row| row.unwrap().try_get_by_index::<String>(1)),
    };
    shown.unwrap().to_uppercase().replace('-', " ")
}
