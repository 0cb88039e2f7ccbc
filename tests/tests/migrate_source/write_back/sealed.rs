//! The projects that encrypt tokens, with one column per token.

use session_migrate::source::{Codecs, SourceKeys, codec::Outline};
use session_tests::database::{Database, Kind};
use session_tests::projects::{BETTER_AUTH_KEY, GRAFANA_KEY, LARAVEL_KEY, OUTLINE_KEY, seal};
use session_tests::source::{Source, blob};
use session_tests::{on_every_database, projects};

use super::trip::{round_trip, tokens};

/// What stands in a column, row by row.
async fn column(source: &Source, table: &str, column: &str) -> Vec<String> {
    let dump = super::dump::dump(source).await;
    dump.iter().filter(|((name, _), _)| name == table).map(|(_, row)| row[column].clone()).collect()
}

on_every_database! {
    async fn better_auth_mixed(database: Database) {
        let source = projects::better_auth(database).await;
        let keys = SourceKeys::new(BETTER_AUTH_KEY);
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
        assert_eq!(opened_by, [0, 0, 0, 2, 0]);
    }

    async fn grafana_under_its_keys(database: Database) {
        let source = projects::grafana(database).await;
        let fit = source.recognised("grafana").await;
        let touched = ["o_auth_access_token", "o_auth_refresh_token", "o_auth_id_token",
            "o_auth_token_type", "o_auth_expiry"];
        let keys = SourceKeys::new(GRAFANA_KEY);
        round_trip(&source, &fit.mappings.mapping[0], &keys, &touched).await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(keys)).await;
        assert_eq!(rows[0].tokens.opened().unwrap().token_type(), Some("bearer"));
    }

    async fn laravel_by_groups(database: Database) {
        let source = projects::laravel(database).await;
        let fit = source.recognised("laravel").await;
        let keys = SourceKeys::new(LARAVEL_KEY);
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
        let source = Source::with(database, projects::OUTLINE).await;
        let codec = Outline::new(&SourceKeys::new(OUTLINE_KEY)).unwrap();
        let token = blob(source.kind(), seal(&codec, "at-1", "").as_bytes().unwrap());
        let id = |at: usize| format!("018f0000-0000-7000-8000-00000000000{at}");
        let scopes = match source.kind() {
            Kind::Postgres => "{read,\"write all\"}",
            _ => "read,write",
        };
        source.run(&format!("
            INSERT INTO authentication_providers VALUES ('{}', 'google', 'example.com');
            INSERT INTO user_authentications VALUES
              ('{}', '{}', '{}', {token}, {token}, '{scopes}', 'g-1', '2025-10-09 12:00:00', '2025-10-09 12:00:00', '2025-10-09 12:00:00', '2025-10-09 12:00:00'),
              ('{}', '{}', '{}', {token}, NULL, NULL, 'g-2', NULL, NULL, '2025-10-09 12:00:00', NULL)",
            id(5), id(1), id(7), id(5), id(2), id(8), id(5))).await;
        let fit = source.recognised("outline").await;
        let touched = ["accessToken", "refreshToken", "scopes", "expiresAt", "updatedAt"];
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::new(OUTLINE_KEY), &touched).await;
    }
}
