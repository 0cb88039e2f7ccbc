//! Open WebUI, on the databases that it is mostly run on.

use session_core::Timestamp;
use session_migrate::source::{Cell, Codecs, KeyUse, SourceKeys, SourceRow, row::Expiry};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::projects::openwebui::{KEY, TABLES, insert, sealed};
use session_tests::source::{Source, line};

/// Creates the tables and two users.
pub(crate) async fn with_users(database: Database) -> Source {
    let source = Source::with(database, TABLES).await;
    source.run("INSERT INTO «user» VALUES ('u1', 'ann@example.invalid'), ('u2', 'bob@example.invalid')").await;
    source
}

pub(crate) async fn filled(database: Database) -> Source {
    let source = with_users(database).await;
    let token = |name: &str| {
        sealed(KEY, &format!(r#"{{"access_token": "{name}", "refresh_token": "r-{name}"}}"#))
    };
    for (id, user, provider) in [
        ("a", "u1", "google"),
        ("b", "u1", "Google"),
        ("c", "u1", "google "),
        ("d", "u1", "mcp:docs"),
        ("e", "gone", "google"),
    ] {
        insert(&source, id, user, provider, &token(id), "1760000000").await;
    }
    insert(&source, "f", "u2", "oidc", &sealed("last year", r#"{"access_token": "f"}"#), "1").await;
    insert(&source, "g", "u2", "oidc", &sealed("an unknown key", "{}"), "253402300799").await;
    insert(&source, "h", "u2", "oidc", "no Fernet", "1760000000.5").await;
    source
}

pub(crate) fn keys() -> SourceKeys {
    SourceKeys::new(KEY).with_old("last year")
}

on_every_database! {
    async fn every_row_is_read_as_it_is(database: Database) {
        let source = filled(database).await;
        let real = match source.kind() {
            Kind::Sqlite => "1760000000",
            // The server rounds the half up.
            _ => "1760000001",
        };
        let expected = [
            "a u1 \"google\" - a r-a 1760000000".to_owned(),
            "b u1 \"Google\" - b r-b 1760000000".to_owned(),
            "c u1 \"google \" - c r-c 1760000000".to_owned(),
            "d u1 \"mcp:docs\" - d r-d 1760000000".to_owned(),
            "e gone \"google\" - e r-e 1760000000 orphan".to_owned(),
            "f u2 \"oidc\" - f - 1".to_owned(),
            "g u2 \"oidc\" - unreadable wrong_key 253402300799".to_owned(),
            format!("h u2 \"oidc\" - unreadable malformed {real}"),
        ];
        assert_eq!(source.lines("openwebui", keys()).await, expected);
    }

    async fn a_cookie_points_at_rows_that_can_use_it(database: Database) {
        let source = filled(database).await;
        let fit = source.recognised("openwebui").await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(keys())).await;
        let with_cookie = |row: &&SourceRow| row.cookie.is_some();
        let cookies: Vec<&str> =
            rows.iter().filter(with_cookie).map(|row| row.cookie.as_ref().unwrap().as_str()).collect();
        // Not the tool client's, not the orphan's, not those that no key opens.
        assert_eq!(cookies, ["a", "b", "c", "f"]);
        let row = &rows[5];
        assert_eq!(row.tokens.opened().unwrap().keys(), [KeyUse::Old(0)]);
        assert_eq!(row.created_at, Some(Timestamp::from_millis(1_000_000)));
        assert_eq!(row.renewed_at, Some(Timestamp::from_millis(2_000_000)));
    }

    async fn a_fraction_keeps_its_class(database: Database) {
        let source = filled(database).await;
        let fit = source.recognised("openwebui").await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(keys())).await;
        let stored = rows[7].stored.iter().find(|stored| stored.column == "expires_at").unwrap();
        if source.kind() == Kind::Sqlite {
            assert_eq!((rows[7].expiry, &stored.cell), (Expiry::Real, &Cell::Real(1_760_000_000.5)));
        } else {
            assert_eq!((rows[7].expiry, stored.cell.class()), (Expiry::Known, "integer"));
        }
    }

    async fn what_is_inspected_is_counted_byte_for_byte(database: Database) {
        let source = filled(database).await;
        let inspection = source.inspect(keys()).await;
        let report = &inspection.recognised[0].sources[0];
        assert_eq!((report.rows_in_table, report.filtered_out, report.pairs), (8, 0, 6));
        let histogram: Vec<(u64, u64)> = report.rows_per_pair.clone().into_iter().collect();
        assert_eq!(histogram, [(1, 5), (3, 1)]);
        let total = &report.total;
        assert_eq!((total.rows, total.readable, total.orphans, total.cookies), (8, 6, 1, 4));
        assert_eq!((total.unreadable["wrong_key"], total.unreadable["malformed"]), (1, 1));
        assert_eq!((total.opened_by["current"], total.opened_by["old-1"]), (5, 1));
        let providers: Vec<&str> =
            report.providers.iter().map(|provider| provider.provider.as_str()).collect();
        assert_eq!(providers, ["Google", "google", "google ", "mcp:docs", "oidc"]);
        let json = serde_json::to_string(&inspection).unwrap();
        assert!(json.contains("\"schema\":\"session-migrate/inspect/1\""), "{json}");
        assert!(!json.contains("r-a") && !json.contains("gAAAA"), "{json}");
    }

    async fn without_a_key_nothing_opens_and_nothing_is_lost(database: Database) {
        let source = filled(database).await;
        let inspection = source.inspect(SourceKeys::none()).await;
        let total = &inspection.recognised[0].sources[0].total;
        assert_eq!((total.rows, total.readable, total.unreadable["no_key"]), (8, 0, 7));
    }

    async fn identity_comes_from_the_user_info_or_the_id_token(database: Database) {
        let source = with_users(database).await;
        let userinfo = r#"{"access_token": "a", "userinfo": {"iss": "https://one.example",
            "sub": 4711, "sid": "s-1"}, "issued_at": 1.25, "not-before-policy": 0}"#;
        insert(&source, "a", "u1", "oidc", &sealed(KEY, userinfo), "1").await;
        // {"iss":"https://id.example","sub":4711}
        let id = "e30.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJzdWIiOjQ3MTF9.c2ln";
        let token = format!(r#"{{"access_token": "b", "id_token": "{id}"}}"#);
        insert(&source, "b", "u1", "oidc", &sealed(KEY, &token), "1").await;
        let fit = source.recognised("openwebui").await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(keys())).await;
        let known = |row: &SourceRow| [row.issuer.clone(), row.subject.clone(), row.sid.clone()];
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(known(&rows[0]), [some("https://one.example"), some("4711"), some("s-1")]);
        assert_eq!(known(&rows[1]), [some("https://id.example"), some("4711"), None]);
        let extra = rows[0].tokens.opened().unwrap().extra().values();
        assert_eq!((extra["issued_at"].as_f64(), extra.len()), (Some(1.25), 3));
        assert_eq!(line(&rows[1]), "b u1 \"oidc\" - b - 1");
    }

    async fn a_missing_column_is_a_near_miss(database: Database) {
        let source = with_users(database).await;
        source.run("ALTER TABLE oauth_session RENAME COLUMN token TO tokens").await;
        let inspection = source.inspect(SourceKeys::none()).await;
        assert!(inspection.recognised.is_empty());
        let miss = &inspection.near_misses[0];
        assert_eq!((miss.preset, miss.table.as_deref()), ("openwebui", Some("oauth_session")));
        assert!(miss.missing.contains(&"column oauth_session.token".to_owned()), "{miss:?}");
    }
}
