//! A custom mapping, validated against a schema.

use session_migrate::source::{Codecs, Mapping, Mappings, SourceErrorKind, SourceKeys};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use session_tests::source::Source;

const WHOLE: &str = r#"
    [[mapping]]
    name = "directory"
    table = "Weird Table"
    key = ["key"]
    user = { column = "us\"er" }
    provider = { column = "title", join = "kind" }
    account = { column = "uid" }
    tokens.access = { column = "data", path = ["tokens", "access"] }
    tokens.refresh = { column = "data", path = ["tokens", "refresh"] }
    tokens.scope = { column = "data", path = ["scope"] }
    expires = [{ column = "data", path = ["until"], unit = "iso", zone = "America/New_York" }]
    created = { column = "made", unit = "ms" }
    newest_by = "created"
    filter = [
        { column = "active", is = "equal", value = true },
        { column = "level", is = "none_of", values = [7, 8] },
        { column = "uid", is = "one_of", values = ["a", "A", "b "] },
        { column = "gone", is = "null" },
    ]
    cookie = { column = "key" }
    parent = [{ table = "kinds", column = "id", child = { column = "kind_id" } }]
    join = [{ name = "kind", table = "kinds", column = "id", on = { column = "kind_id" } }]
    identity.issuer = { constant = "https://id.example" }
    identity.subject = { column = "data", path = ["sub"] }
"#;

async fn source(database: Database) -> Source {
    let source = Source::on(database).await;
    // A quote in a quoted name is doubled.
    let user = match source.kind() {
        Kind::MariaDb | Kind::MySql => "`us\"er`",
        _ => "\"us\"\"er\"",
    };
    let boolean = if source.kind() == Kind::Postgres { "boolean" } else { "tinyint(1)" };
    let yes = if source.kind() == Kind::Postgres { ["true", "false"] } else { ["1", "0"] };
    source
        .run(&format!(
            "
        CREATE TABLE kinds (id INTEGER NOT NULL PRIMARY KEY, title VARCHAR(40));
        INSERT INTO kinds VALUES (1, 'oidc:main');
        CREATE TABLE «Weird Table» («key» VARCHAR(40) NOT NULL PRIMARY KEY, {user} BIGINT,
          kind_id INTEGER, uid VARCHAR(40), data {{json}}, made BIGINT, active {boolean},
          level INTEGER, gone VARCHAR(40))"
        ))
        .await;
    let data = r#"{"tokens": {"access": "at", "refresh": "rt"}, "scope": ["a", "b"],
        "until": "2025-10-09T08:00:00", "sub": 99}"#;
    for (key, kind, uid, active, level, gone) in [
        ("one", 1, "a", yes[0], "1", "NULL"),
        ("two", 1, "A", yes[0], "NULL", "NULL"),
        ("three", 9, "b ", yes[0], "1", "NULL"),
        ("inactive", 1, "a", yes[1], "1", "NULL"),
        ("level", 1, "a", yes[0], "8", "NULL"),
        ("uid", 1, "b", yes[0], "1", "NULL"),
        ("gone", 1, "a", yes[0], "1", "''"),
    ] {
        source.run(&format!(
            "INSERT INTO «Weird Table» VALUES ('{key}', 7, {kind}, '{uid}', '{data}', 1760000000123, {active}, {level}, {gone})"
        )).await;
    }
    source
}

fn whole() -> Mapping {
    Mappings::from_toml(WHOLE).unwrap().mapping.remove(0)
}

on_every_database! {
    async fn every_word_of_a_mapping_holds(database: Database) {
        let source = source(database).await;
        let rows = source.rows(&whole(), &Codecs::new(SourceKeys::none())).await;
        let mut lines: Vec<String> = rows.iter().map(session_tests::source::line).collect();
        lines.sort();
        assert_eq!(lines, [
            "one 7 \"oidc:main\" a at rt 1760011200",
            "three 7 \"-\" b  at rt 1760011200 orphan",
            "two 7 \"oidc:main\" A at rt 1760011200",
        ]);
        let one = rows.iter().find(|row| row.key.to_string() == "one").unwrap();
        assert_eq!(one.tokens.opened().unwrap().scope(), Some("a b"));
        assert_eq!(one.created_at.unwrap().as_millis(), 1_760_000_000_123);
        assert_eq!(one.issuer.as_deref(), Some("https://id.example"));
        assert_eq!((one.subject.as_deref(), &one.sid), (Some("99"), &None));
        assert_eq!(one.cookie.as_ref().unwrap().as_str(), "one");
    }

    async fn what_does_not_fit_is_named(database: Database) {
        let source = source(database).await;
        let mut cases: Vec<(Mapping, &str)> = Vec::new();
        let mut case = |change: &dyn Fn(&mut Mapping), words| {
            let mut mapping = whole();
            change(&mut mapping);
            cases.push((mapping, words));
        };
        case(&|it| it.table = "nowhere".to_owned(), "no table \"nowhere\"; there are");
        case(&|it| it.user.column = "nobody".to_owned(), "no column \"nobody\"; it has");
        case(&|it| it.join[0].table = "none".to_owned(), "no table \"none\"");
        case(&|it| it.join[0].column = "title".to_owned(), "is not unique");
        case(&|it| it.parent[0].column = "x".to_owned(), "no column \"x\"");
        case(&|it| it.filter[1].values[0] = session_migrate::source::mapping::FilterValue::Text("a".to_owned()), "with text");
        case(&|it| it.schema = Some("elsewhere".to_owned()), "no table");
        for (mapping, words) in cases {
            let opened = source.open(&mapping, &Codecs::new(SourceKeys::none())).await;
            let error = opened.unwrap_err();
            assert_eq!(error.kind(), SourceErrorKind::Schema, "{error}");
            assert!(error.is_misuse() && error.to_string().contains(words), "{error}");
        }
        let mut unknown = whole();
        unknown.tokens.access.as_mut().unwrap().codec = "rot13".to_owned();
        let opened = source.open(&unknown, &Codecs::new(SourceKeys::none())).await;
        assert_eq!(opened.unwrap_err().kind(), SourceErrorKind::UnknownName);
    }

    async fn a_time_without_a_zone_needs_one(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, u VARCHAR(9), a VARCHAR(9), x {naive}, z {zoned}, n BIGINT);
            INSERT INTO t VALUES (1, 'u', 'at', '2025-07-01 12:00:00', '2025-07-01 12:00:00', 5)").await;
        let mapping = |place: &str| {
            Mappings::from_toml(&format!(
                "[[mapping]]\ntable = \"t\"\nkey = [\"id\"]\nuser.column = \"u\"\n\
                 provider.constant = \"p\"\ntokens.access.column = \"a\"\nexpires = [{{ {place} }}]"
            )).unwrap().mapping.remove(0)
        };
        let codecs = Codecs::new(SourceKeys::none());
        if source.kind() != Kind::Sqlite {
            for place in [
                "column = \"x\", unit = \"timestamp\"",
                "column = \"x\", unit = \"s\"",
                "column = \"z\", unit = \"iso\"",
                "column = \"n\", unit = \"timestamp\"",
            ] {
                let error = source.open(&mapping(place), &codecs).await.unwrap_err();
                assert_eq!(error.kind(), SourceErrorKind::Schema, "{place}");
            }
        }
        let zoned = mapping("column = \"x\", unit = \"timestamp\", zone = \"Europe/Berlin\"");
        let rows = source.rows(&zoned, &codecs).await;
        assert_eq!(rows[0].expires_at.unwrap().as_millis(), 1_751_364_000_000);
        if source.kind() != Kind::Sqlite {
            let rows = source.rows(&mapping("column = \"z\", unit = \"timestamp\""), &codecs).await;
            assert_eq!(rows[0].expires_at.unwrap().as_millis(), 1_751_371_200_000);
        }
    }
}
