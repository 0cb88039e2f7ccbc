//! The tables of the projects that have a preset.

use session_tests::database::{Database, Kind};
use session_tests::projects::openwebui::cascading_tables;
use session_tests::source::Source;
use session_tests::{on_every_database, projects};

use crate::migrate_change::watched::{Watched, long, mapping};

/// Starts, writes, blocks writes and stops, for all names, types and keys.
async fn write(watched: &Watched, sql: &str, expected: &[&str]) {
    assert_eq!(watched.noted_of(sql).await, expected);
    let connection = &watched.source.connection;
    watched.watch.block(connection, &long()).await.unwrap();
    assert!(watched.watch.state(connection).await.unwrap().is_blocked);
    watched.stop().await;
    assert!(watched.watch.state(connection).await.unwrap().is_clean);
}

on_every_database! {
    async fn openwebui(database: Database) {
        let source = Source::with(database, &cascading_tables()).await;
        source.run("INSERT INTO «user» VALUES ('u1', 'ann@example.invalid')").await;
        let watched = Watched::preset(source, "openwebui").await;
        watched.source.run("UPDATE «user» SET email = 'ann@example.com'").await;
        let insert = "INSERT INTO oauth_session VALUES ('Id', 'u1', 'mcp:x', 't', 1, 1, 1)";
        write(&watched, insert, &["text \"Id\""]).await;
    }

    async fn authjs_pg(database: Database) {
        let source = Source::with(database, projects::AUTHJS_PG).await;
        source.run("
            INSERT INTO accounts (id, «userId», type, provider, «providerAccountId») VALUES (1, 1, 'oauth', 'google', 'g')").await;
        let watched = Watched::preset(source, "authjs-pg").await;
        assert!(watched.noted_of("UPDATE accounts SET session_state = 'x'").await.is_empty());
        write(&watched, "UPDATE accounts SET «userId» = 2;\nINSERT INTO users VALUES (2, 'Bob')", &["integer \"1\"", "userId -> integer \"2\""]).await;
    }

    async fn authjs_drizzle(database: Database) {
        let source = Source::with(database, projects::AUTHJS_DRIZZLE).await;
        source.run("
            INSERT INTO account («userId», type, provider, «providerAccountId») VALUES ('u', 'oauth', 'google', 'g')").await;
        let watched = Watched::preset(source, "authjs-drizzle").await;
        write(&watched, "UPDATE account SET provider = 'Google'", &["text \"Google\", text \"g\"", "text \"google\", text \"g\""]).await;
    }

    async fn better_auth(database: Database) {
        let refers = " REFERENCES «user» (id) ON DELETE CASCADE";
        let tables = projects::BETTER_AUTH.replace("{refers}", refers);
        let source = Source::with(database, &tables).await;
        source.run("
            INSERT INTO «user» VALUES ('U', 'Ann');
            INSERT INTO account (id, «accountId», «providerId», «userId») VALUES ('AbCd', 'x', 'credential', 'U')").await;
        let watched = Watched::preset(source, "better-auth").await;
        // A row that the filter excludes may match it later.
        write(&watched, "UPDATE account SET «providerId» = 'google'", &["text \"AbCd\""]).await;
    }

    async fn spring(database: Database) {
        let source = Source::with(database, projects::SPRING).await;
        let watched = Watched::preset(source, "spring").await;
        let bytes = session_tests::source::blob(watched.kind(), b"at");
        let insert = format!("INSERT INTO oauth2_authorized_client VALUES ('okta', 'Ann B', 'Bearer', {bytes}, '2025-01-01 00:00:00', '2025-01-01 01:00:00', NULL, NULL, NULL, '2025-01-01 00:00:00')");
        watched.source.run(&insert).await;
        write(&watched, "UPDATE oauth2_authorized_client SET access_token_issued_at = '2025-01-01 00:00:01'", &["text \"okta\", text \"Ann B\"", "text \"okta\", text \"Ann B\""]).await;
    }

    async fn allauth(database: Database) {
        let source = Source::with(database, projects::ALLAUTH).await;
        source.run("
            INSERT INTO auth_user VALUES (5, 'ann');
            INSERT INTO socialaccount_socialaccount (id, provider, uid, user_id) VALUES (3, 'google', 'g', 5);
            INSERT INTO socialaccount_socialtoken (id, token, token_secret, account_id) VALUES (1, 't', '', 3)").await;
        let watched = Watched::preset(source, "allauth").await;
        assert!(watched.noted_of("UPDATE socialaccount_socialaccount SET extra_data = '{}'").await.is_empty());
        let noted = watched.noted_of("UPDATE socialaccount_socialaccount SET last_login = '2025-01-01 00:00:00'").await;
        assert_eq!(noted, ["account_id -> integer \"3\""]);
        write(&watched, "DELETE FROM auth_user", &["account.user_id -> integer \"5\""]).await;
    }

    async fn long_and_odd_names(database: Database) {
        let source = Source::on(database).await;
        let name = "ein «langer» Name".replace(['«', '»'], "'");
        let name = format!("{name} {}", "x".repeat(62 - name.len()));
        source.run(&format!("CREATE TABLE «{name}» («the key» VARCHAR(9) NOT NULL PRIMARY KEY, «group» VARCHAR(9), «order» VARCHAR(9), «seq» VARCHAR(9))")).await;
        let mut mapping = mapping(&name, "\"the key\"", "");
        mapping.user.column = "group".to_owned();
        mapping.provider.column = Some("order".to_owned());
        mapping.tokens.access.as_mut().unwrap().column = "seq".to_owned();
        let watched = Watched::of(source, &mapping).await;
        write(&watched, &format!("INSERT INTO «{name}» VALUES ('k', 'u', 'p', 't')"), &["text \"k\""]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_has_schemas() {
    if Kind::Postgres.is_available() {
        let source = Source::on(Database::create(Kind::Postgres).await).await;
        source.run("CREATE SCHEMA «My App»;
            CREATE SCHEMA elsewhere;
            CREATE TABLE elsewhere.people (id VARCHAR(9) PRIMARY KEY);
            CREATE TABLE tokens (id INTEGER PRIMARY KEY);
            CREATE TABLE «My App».tokens (id VARCHAR(9) PRIMARY KEY, u VARCHAR(9), p VARCHAR(9), t VARCHAR(9))").await;
        let parent = "schema = \"My App\"\nparent = [{ table = \"people\", schema = \"elsewhere\", column = \"id\" }]";
        let watched = Watched::of(source, &mapping("tokens", "\"id\"", parent)).await;
        assert!(watched.noted_of("INSERT INTO tokens VALUES (1)").await.is_empty());
        assert_eq!(
            watched.noted_of("INSERT INTO elsewhere.people VALUES ('ann')").await,
            ["u -> text \"ann\""]
        );
        write(&watched, "INSERT INTO «My App».tokens VALUES ('a', 'u', 'p', 't')", &["text \"a\""])
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_has_partitions() {
    if Kind::Postgres.is_available() {
        let source = Source::on(Database::create(Kind::Postgres).await).await;
        source.run("CREATE TABLE tokens (id INTEGER PRIMARY KEY, u VARCHAR(9), p VARCHAR(9), t VARCHAR(9)) PARTITION BY RANGE (id);
            CREATE TABLE few PARTITION OF tokens FOR VALUES FROM (0) TO (10);
            CREATE TABLE many PARTITION OF tokens FOR VALUES FROM (10) TO (100)").await;
        let watched = Watched::of(source, &mapping("tokens", "\"id\"", "")).await;
        watched.source.run("INSERT INTO tokens VALUES (1, 'u', 'p', 't')").await;
        assert_eq!(
            watched.noted_of("INSERT INTO many VALUES (11, 'u', 'p', 't')").await,
            ["integer \"1\"", "integer \"11\""]
        );
        let moved = watched.noted_of("UPDATE tokens SET id = 12 WHERE id = 1").await;
        assert!(
            moved.contains(&"integer \"1\"".to_owned())
                && moved.contains(&"integer \"12\"".to_owned()),
            "{moved:?}"
        );
        write(&watched, "DELETE FROM few", &[]).await;
    }
}
