//! Grafana, Laravel and Outline, whose tokens are encrypted.

use session_migrate::source::{Codecs, SourceKeys, codec::DataKeys, codec::Grafana};
use session_tests::database::Database;
use session_tests::projects::{GRAFANA_KEY, LARAVEL_KEY, OUTLINE_KEY, seal, text};
use session_tests::source::{Source, blob};
use session_tests::{on_every_database, projects};

/// A data key under that secret, and a token under the data key, as Python wrote them.
const DATA_KEY: &[u8] = b"\x2a\x59\x57\x56\x7a\x4c\x57\x4e\x6d\x59\x67\x2a\x73\x61\x6c\x74\x53\x41\x4c\x54\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\xff\x47\x5a\xbe\x07\x0a\xe1\xde\xbe\x36\x1b\xee\x7b\x2a\x3f\x95";
const UNDER_DATA_KEY: &str = "I1pHVnJMVEUjKllXVnpMV05tWWcqYWJjZGVmZ2gBAgMEBQYHCAkKCwwNDg8QxtlzUU+mE+1BTcMlrtI1uJEYwDjzxPeZcQ==";

on_every_database! {
    async fn grafana_opens_with_the_keys_of_its_table(database: Database) {
        let source = Source::with(database, projects::GRAFANA).await;
        let key = blob(source.kind(), DATA_KEY);
        let by_secret = Grafana::new(&SourceKeys::new(GRAFANA_KEY), &DataKeys::none());
        let refresh = text(&seal(&by_secret, "rt-1", ""));
        source.run(&format!("
            CREATE TABLE data_keys (name VARCHAR(100) PRIMARY KEY, active {{bool}}, scope VARCHAR(30),
              provider VARCHAR(50), encrypted_data {{bytes}} NOT NULL);
            INSERT INTO data_keys VALUES ('dek-1', {{true}}, 'root', 'secretKey.v1', {key});
            INSERT INTO user_auth (id, user_id, auth_module, auth_id, created, o_auth_access_token, o_auth_refresh_token, o_auth_expiry) VALUES
              (1, 1, 'oauth_google', 'g-1', '2025-01-01 00:00:00', '{UNDER_DATA_KEY}', '{refresh}', '2025-10-09 12:00:00'),
              (2, 2, 'ldap', 'cn=bob', '2025-01-01 00:00:00', NULL, NULL, NULL),
              (3, 2, 'oauth_github', 'h-1', '2025-01-01 00:00:00', 'bm8gY2lwaGVydGV4dCBhdCBhbGwsIG5vbmUu', '', NULL),
              (4, 9, 'oauth_google', 'g-2', '2025-01-01 00:00:00', '{refresh}', '', NULL)")
            .replace("{bool}", "INTEGER").replace("{true}", "1")).await;
        let expected = [
            "1 1 \"oauth_google\" g-1 ya29.grafana-access-token rt-1 1760011200",
            "2 2 \"ldap\" cn=bob no tokens -",
            "3 2 \"oauth_github\" h-1 unreadable wrong_key -",
            "4 9 \"oauth_google\" g-2 rt-1 - - orphan",
        ];
        assert_eq!(source.lines("grafana", SourceKeys::new(GRAFANA_KEY)).await, expected);
        let total = &source.inspect(SourceKeys::none()).await.recognised[0].sources[0].total;
        assert_eq!((total.unreadable["no_key"], total.without_tokens), (3, 1));
    }

    async fn laravel_is_one_mapping_for_each_group_of_columns(database: Database) {
        let source = projects::laravel(database).await;
        let expected = [
            "1 1 \"github\" h-1 gho-1 - -",
            "1 1 \"google\" g-1 ya29-1 rt-1 -",
            "2 2 \"github\" h-2 gho-2 - -",
            "3 3 \"google\" g-3 unreadable wrong_key -",
        ];
        assert_eq!(source.lines("laravel", SourceKeys::new(LARAVEL_KEY)).await, expected);
        let fit = source.recognised("laravel").await;
        let names: Vec<&str> = fit.mappings.mapping.iter().map(|it| it.name()).collect();
        assert_eq!(names, ["github", "google"]);
        let report = source.inspect(SourceKeys::new(LARAVEL_KEY)).await;
        assert_eq!(report.recognised[0].sources[0].filtered_out, 2);
    }
}

on_every_database! {
    async fn laravel_may_spell_its_columns_otherwise(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE users (id {id}, name VARCHAR(255), remember_token VARCHAR(100),
              reset_token VARCHAR(100), reset_id INTEGER, google_id VARCHAR(255),
              google_access_token TEXT, google_refresh_token TEXT, google_expires_at BIGINT,
              stripe_id VARCHAR(255));
            INSERT INTO users VALUES (1, 'Ann', 'r', 'r', 1, 'g-1', 'ya29', 'rt', 1760000000, 's')").await;
        let expected = ["1 1 \"google\" g-1 ya29 rt 1760000000"];
        assert_eq!(source.lines("laravel", SourceKeys::none()).await, expected);
    }

    async fn laravel_may_have_the_provider_in_a_column(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE users (id {id}, name VARCHAR(255), provider VARCHAR(255),
              provider_id VARCHAR(255), provider_token TEXT, provider_refresh_token TEXT);
            INSERT INTO users VALUES (1, 'Ann', 'github', 'h-1', 'gho-1', NULL),
              (2, 'Bob', 'Google', 'g-1', 'ya29', 'rt')").await;
        let expected =
            ["1 1 \"github\" h-1 gho-1 - -", "2 2 \"Google\" g-1 ya29 rt -"];
        assert_eq!(source.lines("laravel", SourceKeys::none()).await, expected);
    }

    async fn outline_reads_bytes_and_the_providers_name(database: Database) {
        let source = projects::outline(database).await;
        let id = |at: usize| format!("018f0000-0000-7000-8000-00000000000{at}");
        let (ann, gone) = (id(1), id(2));
        let expected = [
            format!("{} {ann} \"google\" g-1 at-1 rt-1 1760011200", id(1)),
            format!("{} {ann} \"google\" g-2 at-2 - 1760011200", id(2)),
            format!("{} {gone} \"google\" g-3 unreadable wrong_key 1760011200 orphan", id(3)),
        ];
        assert_eq!(source.lines("outline", SourceKeys::new(OUTLINE_KEY)).await, expected);
        let fit = source.recognised("outline").await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(SourceKeys::new(OUTLINE_KEY))).await;
        assert!(rows[0].tokens.opened().unwrap().scope().unwrap().starts_with("read write"));
        // Without the providers' table, its id stands for the name.
        source.run("DROP TABLE authentication_providers").await;
        let lines = source.lines("outline", SourceKeys::new(OUTLINE_KEY)).await;
        assert!(lines[0].contains(&format!("{:?}", id(5))), "{lines:?}");
    }
}
