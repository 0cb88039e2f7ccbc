//! Open WebUI's sealed responses.

use session_core::Timestamp;
use session_migrate::source::{
    Cell, Codecs, SourceKeys, SourceRow, TokenCodec as _, codec::Fernet,
};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::projects::openwebui::{KEY, insert, sealed};
use session_tests::source::Source;

use super::trip::{EXPIRES, RENEWED, round_trip, some, tokens};
use crate::migrate_source::openwebui::{filled, keys, with_users};

async fn row(source: &Source) -> SourceRow {
    let fit = source.recognised("openwebui").await;
    source.rows(&fit.mappings.mapping[0], &Codecs::new(keys())).await.remove(0)
}

fn json(row: &SourceRow) -> serde_json::Value {
    let stored = row.stored.iter().find(|stored| stored.column == "token").unwrap();
    let opened = Fernet::new(&SourceKeys::new(KEY)).unwrap().open(&stored.cell).unwrap();
    serde_json::from_slice(opened.plain()).unwrap()
}

on_every_database! {
    async fn every_row_takes_new_tokens(database: Database) {
        let source = filled(database).await;
        let fit = source.recognised("openwebui").await;
        let touched = ["token", "expires_at", "updated_at"];
        round_trip(&source, &fit.mappings.mapping[0], &keys(), &touched).await;
    }

    async fn the_response_keeps_what_it_had(database: Database) {
        let source = with_users(database).await;
        let before = r#"{"access_token": "a", "token_type": "Bearer", "expires_in": 3599,
            "refresh_token": "r", "scope": "openid email", "expires_at": 1760000000,
            "issued_at": 1759996400.25, "id_token": "i", "refresh_expires_in": 12345678901234567890,
            "not-before-policy": 0, "userinfo": {"sub": "s", "auth_time": 1}}"#;
        insert(&source, "a", "u1", "oidc", &sealed(KEY, before), "1760000000").await;
        let fit = source.recognised("openwebui").await;
        let mapping = &fit.mappings.mapping[0];
        let table = source.open(mapping, &Codecs::new(keys())).await.unwrap();
        let mut new = tokens(mapping, "x");
        new.scope = Some("email openid".to_owned());
        new.extra = serde_json::from_str(r#"{"not-before-policy": 7, "added": [1], "expires_at": 3}"#).unwrap();
        let old = row(&source).await;
        assert!(table.write_back(&source.connection, &old, &new).await.unwrap());
        let expected = serde_json::json!({
            "access_token": "new-at-x", "token_type": "Bearer", "expires_in": 3600,
            "refresh_token": "new-rt-x", "scope": "openid email", "expires_at": EXPIRES / 1000,
            "issued_at": 1_770_000_000.25, "id_token": "new-it-x",
            "refresh_expires_in": 12_345_678_901_234_567_890_u64, "not-before-policy": 7,
            "userinfo": {"sub": "s", "auth_time": 1}, "added": [1],
        });
        assert_eq!(json(&row(&source).await), expected);
        // An answer without a lifetime and further tokens leaves none of the old ones.
        (new.expires_at, new.refresh, new.id, new.scope) = (None, None, None, None);
        let old = row(&source).await;
        assert!(table.write_back(&source.connection, &old, &new).await.unwrap());
        let row = row(&source).await;
        let json = json(&row);
        for name in ["expires_in", "expires_at", "refresh_token", "id_token", "scope"] {
            assert!(json.get(name).is_none(), "{name}");
        }
        // The column takes no NULL.
        assert_eq!(row.expires_at, Some(Timestamp::from_millis(EXPIRES / 1000 * 1000)));
    }

    async fn what_changed_meanwhile_is_not_overwritten(database: Database) {
        let source = filled(database).await;
        let fit = source.recognised("openwebui").await;
        let mapping = &fit.mappings.mapping[0];
        let table = source.open(mapping, &Codecs::new(keys())).await.unwrap();
        let other = sealed(KEY, r#"{"access_token": "other"}"#);
        for change in [
            format!("UPDATE oauth_session SET token = '{other}'"),
            "UPDATE oauth_session SET expires_at = 5".to_owned(),
            "UPDATE oauth_session SET provider = 'GOOGLE'".to_owned(),
            "UPDATE oauth_session SET user_id = 'u2'".to_owned(),
            "DELETE FROM oauth_session".to_owned(),
        ] {
            let old = row(&source).await;
            source.run(&format!("{change} WHERE id = 'a'")).await;
            let before = super::dump::dump(&source).await;
            let new = tokens(mapping, "x");
            assert!(!table.write_back(&source.connection, &old, &new).await.unwrap(), "{change}");
            assert_eq!(super::dump::dump(&source).await, before, "{change}");
        }
    }
}

#[tokio::test]
async fn a_fraction_stays_one_where_there_is_one() {
    let source = with_users(Database::create(Kind::Sqlite).await).await;
    let token = sealed(KEY, r#"{"access_token": "a"}"#);
    insert(&source, "a", "u1", "oidc", &token, "1760000000.5").await;
    let fit = source.recognised("openwebui").await;
    let table = source.open(&fit.mappings.mapping[0], &Codecs::new(keys())).await.unwrap();
    let mut new = tokens(&fit.mappings.mapping[0], "x");
    let cell = |row: &SourceRow| {
        row.stored.iter().find(|stored| stored.column == "expires_at").unwrap().cell.clone()
    };
    for (expires, stored) in [
        (1_760_000_000_500, Cell::Real(1_760_000_000.5)),
        (EXPIRES, Cell::Real(1_770_003_600.75)),
        // A whole number is one in SQLite's column of integers.
        (RENEWED - 250, Cell::Integer(RENEWED / 1000)),
    ] {
        new.expires_at = Some(Timestamp::from_millis(expires));
        new.refresh = some(&expires.to_string());
        let old = row(&source).await;
        assert!(table.write_back(&source.connection, &old, &new).await.unwrap());
        assert_eq!(cell(&row(&source).await), stored);
    }
}
