//! The source's schema: before, between and after.

use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use session_migrate::capture::ChangeCapture;
use session_migrate::source::{Codecs, Mapping, SourceErrorKind, SourceKeys};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::migrate_change::watched::{TOKENS, Watched, long, mapping, owner};
use session_tests::source::Source;

const PARENT: &str = "parent = [{ table = \"people\", column = \"id\" }]";

async fn texts(connection: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| {
            let bytes =
                || row.try_get_by_index::<Vec<u8>>(0).map(|it| String::from_utf8(it).unwrap());
            row.try_get_by_index(0).or_else(|_| bytes()).unwrap()
        })
        .collect()
}

/// All that a dump of the schema would say.
async fn schema(source: &Source) -> Vec<String> {
    let connection = &source.connection;
    match source.kind() {
        Kind::Sqlite => {
            texts(connection, "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || COALESCE(sql, '') FROM sqlite_master ORDER BY 1").await
        }
        Kind::Postgres => {
            texts(connection, "
                SELECT 'relation ' || c.oid::regclass::text || ' ' || c.relkind::text || ' ' || COALESCE(pg_get_indexdef(i.indexrelid), '') FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
                UNION ALL SELECT 'column ' || a.attrelid::regclass::text || ' ' || a.attnum || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || a.attnotnull || COALESCE(pg_get_expr(d.adbin, d.adrelid), '') FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
                UNION ALL SELECT 'constraint ' || conrelid::regclass::text || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid <> 0 AND connamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
                UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger
                UNION ALL SELECT 'function ' || oid::regprocedure::text || prosrc FROM pg_proc WHERE pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
                ORDER BY 1").await
        }
        _ => {
            let mut all = texts(connection, "SELECT CONCAT(TRIGGER_NAME, ' ', EVENT_OBJECT_TABLE, ' ', ACTION_ORDER, ' ', ACTION_STATEMENT) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1").await;
            all.extend(texts(connection, "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY 1").await);
            for table in texts(connection, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1").await {
                let statement = Statement::from_string(connection.get_database_backend(), format!("SHOW CREATE TABLE `{table}`"));
                let row = connection.query_one_raw(statement).await.unwrap().unwrap();
                all.push(row.try_get_by_index(1).unwrap());
            }
            all
        }
    }
}

/// Tables of an application that has triggers itself.
async fn source(database: Database) -> Source {
    let source = Source::on(database).await;
    source.run(TOKENS).await;
    source
        .run(
            "
        CREATE TABLE people (id VARCHAR(40) NOT NULL PRIMARY KEY, name VARCHAR(40) DEFAULT 'x');
        CREATE TABLE counts (n BIGINT NOT NULL);
        CREATE INDEX of_pair ON tokens (u, p);
        INSERT INTO counts VALUES (0);
        INSERT INTO tokens VALUES ('a', 'ann', 'p', 't', 1)",
        )
        .await;
    match source.kind() {
        Kind::Sqlite => source.run("CREATE TRIGGER their_own AFTER INSERT ON tokens BEGIN UPDATE counts SET n = n + 1; END").await,
        Kind::Postgres => source.run("CREATE FUNCTION their_own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE counts SET n = n + 1; RETURN NEW; END';
            CREATE TRIGGER their_own BEFORE INSERT ON tokens FOR EACH ROW EXECUTE FUNCTION their_own()").await,
        _ => source.run("CREATE TRIGGER their_own AFTER INSERT ON tokens FOR EACH ROW UPDATE counts SET n = n + 1").await,
    }
    source
}

fn with_parent() -> Mapping {
    mapping("tokens", "\"id\"", PARENT)
}

on_every_database! {
    async fn stop_leaves_the_schema_as_it_was(database: Database) {
        let source = source(database).await;
        let before = schema(&source).await;
        let watched = Watched::before(source, &with_parent()).await;
        for is_barred in [false, true] {
            watched.start().await.unwrap();
            assert_eq!(watched.noted_of("INSERT INTO tokens VALUES ('b', 'ann', 'p', 't', 1)").await, ["text \"b\""]);
            watched.noted_of("DELETE FROM tokens WHERE id = 'b'").await;
            assert_ne!(schema(&watched.source).await, before);
            if is_barred {
                watched.watch.block(&watched.source.connection, &long()).await.unwrap();
            }
            watched.stop().await;
            watched.stop().await;
            assert_eq!(schema(&watched.source).await, before);
        }
    }

    async fn start_makes_what_is_missing(database: Database) {
        let watched = Watched::before(source(database).await, &with_parent()).await;
        let connection = &watched.source.connection;
        watched.start().await.unwrap();
        let whole = schema(&watched.source).await;
        watched.start().await.unwrap();
        assert_eq!(schema(&watched.source).await, whole);
        let drops = watched.watch.statements().stop;
        let triggers: Vec<&String> = drops.iter().filter(|sql| sql.starts_with("DROP TRIGGER")).collect();
        assert!(triggers.len() >= 8, "{drops:?}");
        for trigger in &triggers {
            connection.execute_unprepared(trigger).await.unwrap();
            assert!(!watched.watch.state(connection).await.unwrap().is_capturing, "{trigger}");
            watched.start().await.unwrap();
            assert!(watched.watch.state(connection).await.unwrap().is_capturing, "{trigger}");
        }
        let mut sorted = (schema(&watched.source).await, whole);
        // On MySQL, triggers of one event are in the order in which they were made.
        if matches!(watched.kind(), Kind::MariaDb | Kind::MySql) {
            sorted.0.retain(|line| line.starts_with("CREATE TABLE"));
            sorted.1.retain(|line| line.starts_with("CREATE TABLE"));
        }
        assert_eq!(sorted.0, sorted.1);
        let noted = watched.noted_of("UPDATE tokens SET id = 'z'").await;
        assert_eq!(noted, ["text \"a\"", "text \"z\""]);
    }

    async fn stop_takes_away_what_is_left(database: Database) {
        let watched = Watched::before(source(database).await, &with_parent()).await;
        let connection = &watched.source.connection;
        let before = schema(&watched.source).await;
        let drops: Vec<String> = watched.watch.statements().stop.into_iter().filter(|sql| sql.starts_with("DROP")).collect();
        // Killed after each of them.
        for last in 0..=drops.len() {
            watched.start().await.unwrap();
            for sql in drops.iter().take(last) {
                connection.execute_unprepared(sql).await.unwrap();
            }
            let is_clean = watched.watch.state(connection).await.unwrap().is_clean;
            assert_eq!(is_clean, last == drops.len());
            watched.source.run("UPDATE tokens SET t = 'still'").await;
            watched.source.run("UPDATE tokens SET t = 't'").await;
            watched.stop().await;
            assert_eq!(schema(&watched.source).await, before);
        }
    }

    async fn the_statements_are_what_is_run(database: Database) {
        let kind = database.kind();
        let one = Watched::before(source(database).await, &with_parent()).await;
        let two = Watched::before(source(Database::create(kind).await).await, &with_parent()).await;
        one.start().await.unwrap();
        one.watch.block(&one.source.connection, &long()).await.unwrap();
        let statements = two.watch.statements();
        let by_hand = two.source.database.connect_with(|options| {
            options.max_connections(1);
        }).await;
        for sql in statements.start.iter().chain(&statements.block) {
            by_hand.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
        }
        assert_eq!(schema(&one.source).await, schema(&two.source).await);
        for sql in statements.unblock.iter().chain(&statements.stop) {
            by_hand.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
        }
        one.stop().await;
        assert_eq!(schema(&one.source).await, schema(&two.source).await);
        assert!(two.watch.state(&by_hand).await.unwrap().is_clean);
    }

    async fn a_log_of_another_mapping_is_not_taken(database: Database) {
        let watched = Watched::of(source(database).await, &with_parent()).await;
        let other = mapping("tokens", "\"id\", \"p\"", PARENT);
        let table = watched.source.open(&other, &Codecs::new(SourceKeys::none())).await.unwrap();
        let other = ChangeCapture::new(&table, 7, &owner()).unwrap();
        let error = other.start(&watched.source.connection, &long()).await.unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Schema, "{error}");
        let beside = ChangeCapture::new(&table, 8, &owner()).unwrap();
        beside.start(&watched.source.connection, &long()).await.unwrap();
        assert_eq!(watched.noted_of("UPDATE tokens SET t = 'x'").await, ["text \"a\""]);
        assert_eq!(beside.count(&watched.source.connection).await.unwrap(), 1);
    }
}
