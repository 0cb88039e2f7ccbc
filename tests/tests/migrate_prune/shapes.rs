//! The schemas of known projects, by their presets.

use session_core::Timestamp;
use session_migrate::cap::{Cap, Count, PartitionBy};
use session_migrate::source::{
    Cell, Codecs, SourceKeys, TokenCodec as _, codec::BetterAuth, codec::Fernet,
};
use session_tests::database::{Database, Kind};
use session_tests::{on_every_database, projects};

use crate::migrate_prune::table::{Mapped, at_most};
use session_tests::source::Source;

async fn recognised(source: Source, preset: &str, keys: SourceKeys) -> Mapped {
    let mapping = source.recognised(preset).await.mappings.mapping.remove(0);
    Mapped { source, mapping, codecs: Codecs::new(keys) }
}

/// Returns the keys that a cap leaves, the same by both paths, and undoes the runs.
async fn left(mapped: &Mapped, cap: &Cap) -> Vec<String> {
    let before = mapped.content().await;
    let mut ways = Vec::new();
    for prune in [mapped.prune(cap), mapped.prune(cap).in_process()] {
        let (report, left) = mapped.pruned(&prune).await;
        mapped.undo(&report).await;
        assert_eq!(mapped.content().await, before);
        ways.push(left);
    }
    assert_eq!(ways[0], ways[1]);
    ways.remove(0)
}

fn pairs(max: u32) -> Cap {
    at_most(max).partition(PartitionBy::Provider)
}

async fn openwebui(database: Database) -> Mapped {
    let source = Source::on(database).await;
    // MySQL cannot index text of any length; Open WebUI does not support MySQL.
    let is_mysql = matches!(source.kind(), Kind::MariaDb | Kind::MySql);
    let key = if is_mysql { "VARCHAR(255)" } else { "TEXT" };
    source
        .run(
            &"
CREATE TABLE «user» (id VARCHAR(255) NOT NULL PRIMARY KEY, email VARCHAR(255) NOT NULL);
CREATE TABLE oauth_session (id {key} NOT NULL, user_id {key} NOT NULL, provider TEXT NOT NULL,
  token TEXT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL, PRIMARY KEY (id));
INSERT INTO «user» VALUES ('u1', 'ann@example.invalid')"
                .replace("{key}", key),
        )
        .await;
    let sealed = |secret: &str, json: &str| {
        let codec = Fernet::new(&SourceKeys::new(secret)).unwrap();
        let cell =
            codec.seal(json.as_bytes(), &Cell::Text(String::new()), Timestamp::from_millis(0));
        cell.unwrap().as_text().unwrap().into_owned()
    };
    let good = |sub: &str| {
        sealed("now", &format!(r#"{{"access_token": "t", "userinfo": {{"sub": "{sub}"}}}}"#))
    };
    for (id, user, provider, token, created, updated) in [
        ("a", "u1", "google", good("1"), 100, 900),
        ("b", "u1", "google", good("1"), 200, 300),
        ("B", "u1", "google", good("2"), 200, 200),
        // No key decrypts it; it is the newest.
        ("d", "u1", "google", sealed("once", r#"{"access_token": "t"}"#), 400, 400),
        ("e", "u1", "Google", good("1"), 1, 1),
        ("f", "u1", "google ", good("1"), 1, 1),
        ("g", "gone", "google", good("1"), 500, 500),
        ("h", "gone", "google", good("1"), 600, 600),
        // It can be decrypted, but contains no token.
        ("i", "u1", "mcp:docs", sealed("now", "{}"), 9, 9),
        ("j", "u1", "mcp:docs", good("1"), 8, 8),
    ] {
        let values = format!("'{id}', '{user}', '{provider}', '{token}', 1, {created}, {updated}");
        // MariaDB's own comparison takes `B` for `b`.
        if id != "B" || !is_mysql {
            source.run(&format!("INSERT INTO oauth_session VALUES ({values})")).await;
        }
    }
    recognised(source, "openwebui", SourceKeys::new("now")).await
}

on_every_database! {
    async fn openwebui_keeps_usable_rows_first(database: Database) {
        let mapped = openwebui(database).await;
        let is_mysql = matches!(mapped.source.kind(), Kind::MariaDb | Kind::MySql);
        let with_b = |keys: &str| -> Vec<String> {
            let keys = keys.split(' ').filter(|key| *key != "B" || !is_mysql);
            keys.map(str::to_owned).collect()
        };
        assert_eq!(left(&mapped, &pairs(1)).await, with_b("b e f h i j"));
        assert_eq!(left(&mapped, &pairs(4)).await, with_b("B a b d e f g h i j"));
        // The other subject is another account.
        let accounts = if is_mysql { "b d e f h i j" } else { "B b d e f h i j" };
        assert_eq!(left(&mapped, &at_most(1)).await, with_b(accounts));
        // As Open WebUI does: a row that cannot be decrypted counts, and is the newest.
        let all = pairs(1).count(Count::All);
        assert_eq!(left(&mapped, &all).await, with_b("d e f h i"));
        let renewed = pairs(1).newest_by(session_migrate::source::NewestBy::Renewed);
        assert_eq!(left(&mapped, &renewed).await, with_b("a e f h i j"));
        // Ranking all rows alike needs no key.
        let keyless = Mapped { codecs: Codecs::new(SourceKeys::new("none")), ..mapped };
        assert_eq!(left(&keyless, &all).await, with_b("d e f h i"));
    }

    async fn authjs_keeps_every_identity(database: Database) {
        let source = Source::on(database).await;
        source.run("
CREATE TABLE users (id VARCHAR(36) NOT NULL PRIMARY KEY, name TEXT);
CREATE TABLE accounts (id {id}, «userId» VARCHAR(36) NOT NULL, type VARCHAR(255) NOT NULL,
  provider VARCHAR(255) NOT NULL, «providerAccountId» VARCHAR(255) NOT NULL, refresh_token TEXT,
  access_token TEXT, expires_at BIGINT, id_token TEXT, scope TEXT, session_state TEXT,
  token_type TEXT);
CREATE TABLE sessions (id {id}, «userId» VARCHAR(36) NOT NULL, expires {zoned},
  «sessionToken» VARCHAR(255) NOT NULL);
INSERT INTO users VALUES ('1', 'Ann')").await;
        for (id, provider, account) in
            [(9, "google", "g"), (10, "google", "g"), (11, "google", "h"), (12, "Google", "g")]
        {
            source.run(&format!(
                "INSERT INTO accounts (id, «userId», type, provider, «providerAccountId», access_token) \
                 VALUES ({id}, '1', 'oauth', '{provider}', '{account}', 'at')"
            )).await;
        }
        let mapped = recognised(source, "authjs-pg", SourceKeys::none()).await;
        // No time says what is newer: the higher id is, as a number.
        assert_eq!(left(&mapped, &at_most(1)).await, ["10", "11", "12"]);
        assert_eq!(left(&mapped, &pairs(1)).await, ["11", "12"]);
        assert_eq!(left(&mapped, &pairs(2)).await, ["10", "11", "12"]);
    }

    async fn allauth_caps_each_app_of_an_account(database: Database) {
        let source = projects::allauth(database).await;
        source.run("
INSERT INTO socialaccount_socialtoken (id, token, token_secret, account_id, app_id) VALUES
  (6, 'at-6', 'rt-6', 1, 1), (7, 'at-7', 'rt-7', 1, 2)").await;
        let mapped = recognised(source, "allauth", SourceKeys::none()).await;
        // Apps from settings are not told apart: 1 and 2 are of one partition.
        assert_eq!(left(&mapped, &at_most(1)).await, ["2", "3", "4", "5", "6", "7"]);
        let all = at_most(1).count(Count::All);
        assert_eq!(left(&mapped, &all).await, ["2", "3", "4", "5", "6", "7"]);
        assert_eq!(left(&mapped, &pairs(1)).await, ["4", "5", "7"]);
    }

    async fn better_auth_ranks_by_its_times(database: Database) {
        let source = Source::on(database).await;
        let time = if source.kind() == Kind::Sqlite { "date" } else { "{zoned}" };
        source.run(&"
CREATE TABLE «user» (id VARCHAR(36) NOT NULL PRIMARY KEY, name TEXT);
CREATE TABLE account (id VARCHAR(36) NOT NULL PRIMARY KEY, «accountId» TEXT NOT NULL,
  «providerId» TEXT NOT NULL, «userId» VARCHAR(36) NOT NULL, «accessToken» TEXT,
  «refreshToken» TEXT, «idToken» TEXT, «accessTokenExpiresAt» {time},
  «refreshTokenExpiresAt» {time}, scope TEXT, password TEXT, «createdAt» {time},
  «updatedAt» {time});
CREATE TABLE session (id VARCHAR(36) NOT NULL PRIMARY KEY, token TEXT, «userId» TEXT);
INSERT INTO «user» VALUES ('u1', 'Ann')".replace("{time}", time)).await;
        let codec = BetterAuth::new(&SourceKeys::new("a secret"));
        let like = Cell::Text(format!("$ba$3${}", "0".repeat(50)));
        let sealed = codec.seal(b"at", &like, Timestamp::from_millis(0)).unwrap();
        let sealed = sealed.as_text().unwrap().into_owned();
        let is_sqlite = source.kind() == Kind::Sqlite;
        for (id, provider, token, second) in [
            ("a", "google", "at", "10"),
            ("b", "google", sealed.as_str(), "11.5"),
            ("c", "google", "$ba$3$00", "12"),
            ("d", "credential", "at", "13"),
            ("e", "google", "at", "11.499"),
        ] {
            let time = format!("2025-10-09 12:00:{second}");
            let time = if is_sqlite { format!("{}Z", time.replace(' ', "T")) } else { time };
            source.run(&format!(
                "INSERT INTO account (id, «accountId», «providerId», «userId», «accessToken», \
                 «createdAt», «updatedAt») VALUES ('{id}', 'x', '{provider}', 'u1', '{token}', \
                 '{time}', '{time}')"
            )).await;
        }
        let mapped = recognised(source, "better-auth", SourceKeys::new("a secret")).await;
        assert_eq!(left(&mapped, &at_most(1)).await, ["b"]);
        assert_eq!(left(&mapped, &at_most(2)).await, ["b", "e"]);
        assert_eq!(left(&mapped, &at_most(1).count(Count::All)).await, ["c"]);
        assert_eq!(left(&mapped, &at_most(3)).await, ["a", "b", "e"]);
    }

    async fn spring_has_one_row_a_pair_and_a_key_of_two(database: Database) {
        let source = Source::on(database).await;
        source.run("
CREATE TABLE oauth2_authorized_client (client_registration_id VARCHAR(100) NOT NULL,
  principal_name VARCHAR(200) NOT NULL, access_token_type VARCHAR(100) NOT NULL,
  access_token_value {bytes} NOT NULL, access_token_issued_at {naive} NOT NULL,
  access_token_expires_at {naive} NOT NULL, access_token_scopes VARCHAR(1000),
  refresh_token_value {bytes}, refresh_token_issued_at {naive}, created_at {naive} NOT NULL,
  PRIMARY KEY (client_registration_id, principal_name))").await;
        for (principal, second) in [("ann", 1), ("bob", 2), ("zoe", 2)] {
            let time = format!("'2025-10-09 12:00:0{second}'");
            source.run(&format!(
                "INSERT INTO oauth2_authorized_client VALUES ('okta', '{principal}', 'Bearer', '41', \
                 {time}, {time}, NULL, NULL, NULL, {time})"
            )).await;
        }
        let mut mapped = recognised(source, "spring", SourceKeys::none()).await;
        assert_eq!(left(&mapped, &at_most(1)).await.len(), 3);
        // Were the rows of one pair, a key of two columns would tell them apart.
        mapped.mapping.user.column = "access_token_type".to_owned();
        for count in [Count::Usable, Count::All] {
            let cap = pairs(1).count(count);
            assert_eq!(left(&mapped, &cap).await, [r#"["okta","zoe"]"#]);
        }
    }
}
