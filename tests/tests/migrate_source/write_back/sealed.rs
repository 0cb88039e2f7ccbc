//! The projects whose tokens are encrypted, each in a column of its own.

use session_core::Timestamp;
use session_migrate::source::{
    Cell, Codecs, SourceKeys, TokenCodec, codec::DataKeys, codec::Grafana, codec::Laravel,
    codec::Outline,
};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use super::trip::{round_trip, tokens};
use crate::better_auth;
use crate::source::{Source, blob};

fn sealed(codec: &dyn TokenCodec, token: &str, like: &str) -> Cell {
    let like = Cell::Text(like.to_owned());
    codec.seal(token.as_bytes(), &like, Timestamp::from_millis(0)).unwrap()
}

fn text(cell: &Cell) -> String {
    cell.as_text().unwrap().into_owned()
}

const GRAFANA: &str = "SW2YcwTIb9zpOOhoPsMm";
const LARAVEL: &str = "base64:w0z6aiWNTmhx98P5oQurzaKsqz/12sl3r85ZBgpXYAs=";
const LARAVEL_FORM: &str = "eyJpdiI6IiIsInZhbHVlIjoiIiwibWFjIjoiIn0=";
const OUTLINE: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

/// What stands in a column, row by row.
async fn column(source: &Source, table: &str, column: &str) -> Vec<String> {
    let dump = super::dump::dump(source).await;
    dump.iter().filter(|((name, _), _)| name == table).map(|(_, row)| row[column].clone()).collect()
}

on_every_database! {
    async fn better_auth_mixed(database: Database) {
        let source = better_auth::filled(database).await;
        let keys = SourceKeys::new(better_auth::SECRET);
        let fit = source.recognised("better-auth").await;
        let touched =
            ["accessToken", "refreshToken", "idToken", "scope", "accessTokenExpiresAt", "updatedAt"];
        round_trip(&source, &fit.mappings.mapping[0], &keys, &touched).await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(keys)).await;
        let opened_by = rows.iter().filter_map(|row| row.tokens.opened());
        let opened_by: Vec<usize> = opened_by
            .map(|tokens| tokens.keys().iter().filter(|key| key.to_string() != "none").count())
            .collect();
        // The one encrypted row has both tokens encrypted still; the ID token never was.
        assert_eq!(opened_by, [0, 0, 2, 0]);
    }

    async fn grafana_under_its_keys(database: Database) {
        let source = Source::on(database).await;
        let codec = Grafana::new(&SourceKeys::new(GRAFANA), &DataKeys::none());
        let token = text(&sealed(&codec, "at-1", ""));
        source.run(&format!("
            CREATE TABLE user_auth (id {{id}}, user_id BIGINT NOT NULL,
              auth_module VARCHAR(190) NOT NULL, auth_id VARCHAR(190) NOT NULL, created {{naive}},
              o_auth_access_token TEXT, o_auth_refresh_token TEXT, o_auth_token_type TEXT,
              o_auth_expiry {{naive}}, o_auth_id_token TEXT, external_uid TEXT);
            INSERT INTO user_auth (id, user_id, auth_module, auth_id, created, o_auth_access_token, o_auth_refresh_token, o_auth_expiry) VALUES
              (1, 1, 'oauth_google', 'g-1', '2025-01-01 00:00:00', '{token}', '{token}', '2025-10-09 12:00:00'),
              (2, 2, 'ldap', 'cn=bob', '2025-01-01 00:00:00', NULL, NULL, NULL),
              (4, 9, 'oauth_google', 'g-2', '2025-01-01 00:00:00', '{token}', '', NULL)")).await;
        let fit = source.recognised("grafana").await;
        let touched = ["o_auth_access_token", "o_auth_refresh_token", "o_auth_id_token",
            "o_auth_token_type", "o_auth_expiry"];
        let keys = SourceKeys::new(GRAFANA);
        round_trip(&source, &fit.mappings.mapping[0], &keys, &touched).await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(keys)).await;
        assert_eq!(rows[0].tokens.opened().unwrap().token_type(), Some("bearer"));
    }

    async fn laravel_by_groups(database: Database) {
        let source = Source::on(database).await;
        let codec = Laravel::new(&SourceKeys::new(LARAVEL)).unwrap();
        let encrypted = text(&sealed(&codec, "gho-2", LARAVEL_FORM));
        source.run(&format!("
            CREATE TABLE users (id {{id}}, name VARCHAR(255), remember_token VARCHAR(100),
              github_id VARCHAR(255), github_token TEXT, github_refresh_token TEXT,
              google_id VARCHAR(255), google_token TEXT, google_refresh_token TEXT,
              created_at {{naive}}, updated_at {{naive}});
            INSERT INTO users (id, name, github_id, github_token, github_refresh_token, google_id, google_token, google_refresh_token) VALUES
              (1, 'Ann', 'h-1', 'gho-1', NULL, 'g-1', 'ya29-1', 'rt-1'),
              (2, 'Bob', 'h-2', '{encrypted}', '', NULL, NULL, NULL)")).await;
        let fit = source.recognised("laravel").await;
        let keys = SourceKeys::new(LARAVEL);
        let [github, google] = &fit.mappings.mapping[..] else { panic!("{fit:?}") };
        let touched = ["github_token", "github_refresh_token", "updated_at"];
        round_trip(&source, github, &keys, &touched).await;
        // A token in an empty place is encrypted where the one beside it is.
        let stored = column(&source, "users", "github_refresh_token").await;
        let is_plain = |at: usize|
            stored[at].contains("new-rt") || stored[at].contains("6E65772D7274");
        assert!(is_plain(0) && !is_plain(1), "{stored:?}");
        // The groups of a row share its `updated_at`, and not their tokens.
        let codecs = Codecs::new(keys);
        source.run("UPDATE users SET updated_at = '2025-10-09 12:00:00'").await;
        let mut both = Vec::new();
        for mapping in [github, google] {
            let table = source.open(mapping, &codecs).await.unwrap();
            both.push((table, source.rows(mapping, &codecs).await.remove(0), mapping));
        }
        for (table, row, mapping) in both {
            let new = tokens(mapping, "both");
            assert!(table.write_back(&source.connection, &row, &new).await.unwrap());
        }
    }

    async fn outline_in_bytes(database: Database) {
        let source = Source::on(database).await;
        let codec = Outline::new(&SourceKeys::new(OUTLINE)).unwrap();
        let token = blob(source.kind(), sealed(&codec, "at-1", "").as_bytes().unwrap());
        let id = |at: usize| format!("018f0000-0000-7000-8000-00000000000{at}");
        let scopes = match source.kind() {
            Kind::Postgres => "{read,\"write all\"}",
            _ => "read,write",
        };
        source.run("
            CREATE TABLE authentication_providers (id {uuid} PRIMARY KEY, name VARCHAR(255),
              «providerId» VARCHAR(255));
            CREATE TABLE user_authentications (id {uuid} PRIMARY KEY, «userId» {uuid} NOT NULL,
              «authenticationProviderId» {uuid}, «accessToken» {bytes}, «refreshToken» {bytes},
              scopes {texts}, «providerId» VARCHAR(255) UNIQUE, «expiresAt» {zoned},
              «lastValidatedAt» {zoned}, «createdAt» {zoned}, «updatedAt» {zoned})").await;
        source.run(&format!("
            INSERT INTO authentication_providers VALUES ('{}', 'google', 'example.com');
            INSERT INTO user_authentications VALUES
              ('{}', '{}', '{}', {token}, {token}, '{scopes}', 'g-1', '2025-10-09 12:00:00', '2025-10-09 12:00:00', '2025-10-09 12:00:00', '2025-10-09 12:00:00'),
              ('{}', '{}', '{}', {token}, NULL, NULL, 'g-2', NULL, NULL, '2025-10-09 12:00:00', NULL)",
            id(5), id(1), id(7), id(5), id(2), id(8), id(5))).await;
        let fit = source.recognised("outline").await;
        let touched = ["accessToken", "refreshToken", "scopes", "expiresAt", "updatedAt"];
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::new(OUTLINE), &touched).await;
    }
}
