//! Custom mappings: paths in JSON, texts in every format, names of every kind.

use session_migrate::source::{Codecs, Mapping, Mappings, SourceKeys};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use super::dump::dump;
use super::trip::{round_trip, tokens};
use session_tests::source::Source;

fn mapping(toml: &str) -> Mapping {
    Mappings::from_toml(toml).unwrap().mapping.remove(0)
}

const DIRECTORY: &str = r#"
    [[mapping]]
    table = "Weird Table"
    key = ["key"]
    user = { column = "owner" }
    provider = { constant = "directory" }
    tokens.access = { column = "data", path = ["tokens", "access"] }
    tokens.refresh = { column = "data", path = ["tokens", "refresh"] }
    tokens.scope = { column = "data", path = ["scope"] }
    tokens.type = { column = "kind" }
    expires = [{ column = "data", path = ["until"], unit = "iso", zone = "America/New_York" }]
    created = { column = "made", unit = "ms" }
    renewed = { column = "data", path = ["made"], unit = "ms" }
    identity.subject = { column = "data", path = ["sub"] }
"#;

const TEXTS: &str = r#"
    [[mapping]]
    table = "texts"
    key = ["id"]
    user = { column = "u" }
    provider = { column = "p" }
    tokens.access = { column = "at" }
    tokens.scope = { column = "scope" }
    expires = [
        { column = "days", unit = "relative", relative_to = [{ column = "since", unit = "s" }] },
        { column = "until", unit = "iso", zone = "+02:00" },
    ]
    renewed = { column = "changed", unit = "ms" }
"#;

on_every_database! {
    async fn ways_into_json_change_what_is_at_their_end(database: Database) {
        let source = Source::on(database).await;
        let json = if source.kind() == Kind::Postgres { "json" } else { "{json}" };
        source.run(&"
            CREATE TABLE «Weird Table» («key» VARCHAR(40) NOT NULL PRIMARY KEY, owner BIGINT,
              data {json}, made BIGINT, kind VARCHAR(20))".replace("{json}", json)).await;
        for (key, data) in [
            ("one", r#"{"tokens": {"access": "at", "other": 1.50, "refresh": "rt"}, "scope": ["a", "b"],
                "until": "2025-10-09T08:00:00", "sub": 99, "made": 1760000000123}"#.to_owned()),
            ("two", r#"{"until": "2025-10-09 08:00:00.5+01:00", "tokens": {"access": "at"}, "made": "1760000000123"}"#.to_owned()),
            // A text that is JSON, as some write it into a column of JSON.
            ("twice", serde_json::to_string(r#"{"tokens":{"access":"at"},"scope":"a, b","made":1}"#).unwrap()),
        ] {
            // In MySQL's literals a backslash is one only when it is doubled.
            let is_mysql = matches!(source.kind(), Kind::MariaDb | Kind::MySql);
            let data = if is_mysql { data.replace('\\', "\\\\") } else { data };
            source.run(&format!(
                "INSERT INTO «Weird Table» VALUES ('{key}', 7, '{data}', 1760000000123, 'Bearer')"
            )).await;
        }
        let mapping = mapping(DIRECTORY);
        round_trip(&source, &mapping, &SourceKeys::none(), &["data"]).await;
        let rows = source.rows(&mapping, &Codecs::new(SourceKeys::none())).await;
        let data = |key: &str| {
            let row = rows.iter().find(|row| row.key.to_string() == key).unwrap();
            let stored = row.stored.iter().find(|stored| stored.column == "data").unwrap();
            stored.cell.as_text().unwrap().replace([' ', '\n'], "")
        };
        let one = data("one");
        assert!(one.contains("\"2026-02-01T22:40:00\"") && one.contains("[\"openid\",\"new\"]"), "{one}");
        if source.kind() != Kind::MySql {
            assert!(one.contains("\"other\":1.50"), "{one}");
        }
        assert!(data("two").contains("\"2026-02-0204:40:00.7+01:00\""), "{}", data("two"));
        assert!(data("twice").starts_with("\"{\\\"tokens\\\""), "{}", data("twice"));
        assert!(data("twice").contains("openid,new"), "{}", data("twice"));
    }

    async fn texts_keep_their_spelling(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE texts (id INTEGER NOT NULL PRIMARY KEY, u VARCHAR(40), p VARCHAR(40),
              at VARCHAR(40), scope VARCHAR(90), days BIGINT, since BIGINT, until VARCHAR(40), changed BIGINT);
            INSERT INTO texts VALUES
              (1, 'u', 'p ', 'at-1', 'a,b', NULL, 1760000000, '2025-10-09 12:00:00', 5),
              (2, 'u', 'P', 'at-2', '[\"a\"]', NULL, NULL, '2025-10-09T12:00:00.000Z', 5),
              (3, 'U', 'p', 'at-3', 'a', 3600, 1760000000, '2025-10-09T12:00:00+0530', NULL),
              (4, 'u', 'p', 'at-4', '', NULL, NULL, NULL, NULL)").await;
        let mapping = mapping(TEXTS);
        let codecs = Codecs::new(SourceKeys::none());
        let table = source.open(&mapping, &codecs).await.unwrap();
        for row in source.rows(&mapping, &codecs).await {
            let new = tokens(&mapping, "x");
            assert!(table.write_back(&source.connection, &row, &new).await.unwrap());
        }
        let rows = source.rows(&mapping, &codecs).await;
        let stored = |at: usize, name: &str| {
            let stored = rows[at].stored.iter().find(|stored| stored.column == name).unwrap();
            stored.cell.as_text().map(std::borrow::Cow::into_owned)
        };
        let until: Vec<Option<String>> = (0..4).map(|at| stored(at, "until")).collect();
        assert_eq!(until[0].as_deref(), Some("2026-02-02 05:40:00"));
        assert_eq!(until[1].as_deref(), Some("2026-02-02T03:40:00.750Z"));
        assert_eq!(until[2].as_deref(), Some("2026-02-02T09:10:00+0530"));
        // The first place takes an expiry that stood nowhere: absolute, for it has no base.
        assert_eq!((until[3].as_deref(), stored(3, "days").as_deref()), (None, Some("1770003600")));
        assert_eq!(stored(2, "days").as_deref(), Some("10003600"));
        assert_eq!(stored(0, "scope").as_deref(), Some("openid,new"));
        assert_eq!(stored(1, "scope").as_deref(), Some("[\"openid\",\"new\"]"));
        assert_eq!(stored(3, "changed").as_deref(), Some("1770000000250"));
    }

    async fn no_expiry_is_null_where_the_column_takes_it(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE texts (id INTEGER NOT NULL PRIMARY KEY, u VARCHAR(40), p VARCHAR(40),
              at VARCHAR(40), scope VARCHAR(90), days BIGINT, since BIGINT, until VARCHAR(40), changed BIGINT);
            INSERT INTO texts VALUES (1, 'u', 'p', 'at', 'a', 60, 1760000000, '2025-10-09 12:00:00', 5)").await;
        let mapping = mapping(TEXTS);
        let codecs = Codecs::new(SourceKeys::none());
        let table = source.open(&mapping, &codecs).await.unwrap();
        let row = source.rows(&mapping, &codecs).await.remove(0);
        let mut new = tokens(&mapping, "x");
        (new.expires_at, new.scope) = (None, None);
        assert!(table.write_back(&source.connection, &row, &new).await.unwrap());
        let row = source.rows(&mapping, &codecs).await.remove(0);
        assert_eq!((row.expires_at, row.tokens.opened().unwrap().scope()), (None, None));
    }
}

/// What SQLite holds in a column is whatever was put there.
#[tokio::test]
async fn sqlite_keeps_text_that_is_none() {
    let source = Source::on(Database::create(Kind::Sqlite).await).await;
    source
        .run(
            "
        CREATE TABLE texts (id TEXT NOT NULL PRIMARY KEY, u, p, at, scope, days, since, until, changed);
        INSERT INTO texts VALUES (CAST(X'ff' AS TEXT), 7, 'p', X'6174', X'61', NULL, NULL,
          X'323032352d31302d30392031323a30303a3030', 5.5)",
        )
        .await;
    round_trip(&source, &mapping(TEXTS), &SourceKeys::none(), &["at", "scope", "until", "changed"])
        .await;
    let dump = dump(&source).await;
    let row = dump.values().next().unwrap();
    assert_eq!(row["id"], "text:FF");
    assert!(row["until"].starts_with("blob:"), "{}", row["until"]);
}
