//! Mapping files: what is refused, and where; and that nothing is lost on the way to TOML and back.

use proptest::prelude::*;

use super::{
    ColumnPath, Cookie, Filter, FilterValue, IdentitySources, Join, Mapping, Mappings, NewestBy,
    Parent, ProviderSource, Test, TimeSource, TokenSource, TokenSources, Unit, ValueSource, Zone,
};

const SMALLEST: &str = r#"[[mapping]]
table = "accounts"
user = { column = "u" }
provider = { column = "p" }
tokens.access = { column = "a" }
"#;

/// The smallest file with one more line, and what is said of it: line, column, keys, and words.
fn refused(line: &str) -> (usize, usize, String, String) {
    let error = Mappings::from_toml(&format!("{SMALLEST}{line}\n")).unwrap_err();
    (error.line(), error.column(), error.path().to_owned(), error.message().to_owned())
}

#[test]
fn the_smallest_file_is_enough() {
    let mappings = Mappings::from_toml(SMALLEST).unwrap();
    assert_eq!(mappings.mapping[0].name(), "accounts");
    assert!(mappings.mapping[0].key.is_empty());
}

#[test]
fn an_error_names_the_place_and_what_is_allowed() {
    let cases = [
        ("keys = [\"id\"]", (6, 1), "mapping[0].keys", "unknown field `keys`, expected one of"),
        ("key = \"id\"", (6, 7), "mapping[0].key", "expected a sequence"),
        (
            "created = { column = \"c\", unit = \"minutes\" }",
            (6, 34),
            "mapping[0].created.unit",
            "unknown variant `minutes`, expected one of `s`, `ms`, `timestamp`, `iso`, `relative`",
        ),
        (
            "created = { column = \"c\", unit = \"iso\", zone = \"Middle/Earth\" }",
            (6, 48),
            "mapping[0].created.zone",
            "is not a time zone",
        ),
        (
            "expires = [{ column = \"c\", unit = \"relative\" }]",
            (6, 12),
            "mapping[0].expires[0]",
            "need each other",
        ),
        ("tokens.response = { column = \"r\" }", (5, 1), "mapping[0].tokens", "either `response`"),
        ("newest_by = \"used\"", (6, 13), "mapping[0].newest_by", "the mapping has no `used`"),
        (
            "filter = [{ column = \"f\", is = \"equal\" }]",
            (6, 11),
            "mapping[0].filter[0]",
            "needs `value`",
        ),
        (
            "account = { column = \"a\", join = \"j\" }",
            (6, 11),
            "mapping[0].account",
            "there is no join \"j\"",
        ),
        (
            "account = { column = \"a\", path = [\"x\"] }",
            (6, 11),
            "mapping[0].account",
            "without `path`",
        ),
        ("identity.issuer = {}", (6, 19), "mapping[0].identity.issuer", "either `column`"),
    ];
    for (line, (at_line, at_column), path, words) in cases {
        let said = refused(line);
        assert!(said.3.contains(words), "{line}: {said:?}");
        assert_eq!(
            (said.0, said.1, said.2.as_str()),
            (at_line, at_column, path),
            "{line}: {said:?}"
        );
    }
}

#[test]
fn what_is_missing_or_no_toml_is_said_too() {
    let missing = Mappings::from_toml("[[mapping]]\ntable = \"x\"\n").unwrap_err();
    assert!(missing.message().contains("missing field `user`"), "{missing}");
    assert_eq!((missing.line(), missing.path()), (1, "mapping[0]"));
    let broken = Mappings::from_toml("[[mapping]\ntable = 1").unwrap_err();
    assert_eq!((broken.line(), broken.path()), (1, ""));
    let twice = Mappings::from_toml(&format!("{SMALLEST}{SMALLEST}")).unwrap_err();
    assert_eq!(twice.path(), "mapping[1]");
    assert!(twice.to_string().starts_with("line 6, column 1: mapping[1]: two mappings"), "{twice}");
    let provider = SMALLEST.replace("{ column = \"p\" }", "{ column = \"p\", constant = \"c\" }");
    assert_eq!(Mappings::from_toml(&provider).unwrap_err().path(), "mapping[0].provider");
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let schema = schemars::schema_for!(Mappings);
    let schema = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/mapping.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap();
    assert!(published == schema, "run the test with UPDATE_SCHEMA=1 to write {path} anew");
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_\"'. é{}]{1,8}"
}

fn path() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(name(), 0..3)
}

fn place() -> impl Strategy<Value = ColumnPath> {
    (name(), path()).prop_map(|(column, path)| ColumnPath { column, join: None, path })
}

fn token() -> impl Strategy<Value = TokenSource> {
    (name(), path(), prop::sample::select(vec!["plain", "fernet", "own"])).prop_map(
        |(column, path, codec)| TokenSource { column, join: None, path, codec: codec.to_owned() },
    )
}

fn absolute() -> impl Strategy<Value = TimeSource> {
    let units = prop::sample::select(vec![Unit::Seconds, Unit::Milliseconds, Unit::Timestamp]);
    (name(), path(), units, any::<bool>()).prop_map(|(column, path, unit, is_zoned)| {
        let zone = "+02:00".parse::<Zone>().ok();
        let zone = zone.filter(|_| is_zoned && unit == Unit::Timestamp);
        TimeSource { column, join: None, path, unit, zone, relative_to: Vec::new() }
    })
}

fn moment() -> impl Strategy<Value = TimeSource> {
    (absolute(), prop::collection::vec(absolute(), 0..3)).prop_map(|(mut time, bases)| {
        if !bases.is_empty() {
            (time.unit, time.zone, time.relative_to) = (Unit::Relative, None, bases);
        }
        time
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let value = prop_oneof![
        any::<bool>().prop_map(FilterValue::Boolean),
        any::<i64>().prop_map(FilterValue::Integer),
        "\\PC{0,8}".prop_map(FilterValue::Text),
    ];
    let tests = prop::sample::select(vec![
        Test::Equal,
        Test::NotEqual,
        Test::OneOf,
        Test::NoneOf,
        Test::Null,
        Test::NotNull,
    ]);
    (name(), tests, prop::collection::vec(value, 1..3)).prop_map(|(column, is, mut values)| {
        let takes_one = matches!(is, Test::Equal | Test::NotEqual);
        let value = values.pop().filter(|_| takes_one);
        let takes_many = matches!(is, Test::OneOf | Test::NoneOf);
        let values = match takes_many {
            true if values.is_empty() => vec![FilterValue::Integer(1)],
            true => values,
            false => Vec::new(),
        };
        Filter { column, join: None, is, value, values }
    })
}

fn sources() -> impl Strategy<Value = TokenSources> {
    prop_oneof![
        token().prop_map(|place| TokenSources { response: Some(place), ..Default::default() }),
        (token(), prop::option::of(token()), prop::option::of(place())).prop_map(
            |(access, refresh, scope)| TokenSources {
                access: Some(access),
                refresh,
                scope,
                ..Default::default()
            }
        ),
    ]
}

/// What only some mappings have.
struct Rich {
    join: Join,
    account: ColumnPath,
    parent: Parent,
    issuer: ValueSource,
    cookie: Cookie,
}

impl Rich {
    fn new(table: &str, on: ColumnPath) -> Self {
        let (name, column) = ("j".to_owned(), "id".to_owned());
        let issuer = "https://id.example".to_owned();
        Self {
            account: ColumnPath { join: Some(name.clone()), ..ColumnPath::column("uid") },
            parent: Parent {
                table: "user".to_owned(),
                schema: Some("app".to_owned()),
                column: column.clone(),
                child: None,
            },
            issuer: ValueSource {
                column: None,
                join: None,
                path: Vec::new(),
                constant: Some(issuer),
            },
            cookie: Cookie { column: column.clone(), except_providers: vec!["x*".to_owned()] },
            join: Join { name, table: table.to_owned(), schema: None, column, on },
        }
    }
}

fn mapping() -> impl Strategy<Value = Mapping> {
    let column = name().prop_map(ColumnPath::column);
    let provider = (name(), any::<bool>()).prop_map(|(name, is_column)| ProviderSource {
        column: Some(name.clone()).filter(|_| is_column),
        join: None,
        constant: Some(name).filter(|_| !is_column),
    });
    let names = (name(), prop::collection::vec(name(), 0..3), column, provider);
    let times = (prop::collection::vec(moment(), 0..3), prop::option::of(moment()));
    let rest = (prop::collection::vec(filter(), 0..3), any::<bool>(), place());
    (names, sources(), times, rest).prop_map(|(names, tokens, times, rest)| {
        let ((table, key, user, provider), (expires, created), (filter, is_rich, on)) =
            (names, times, rest);
        let rich = Rich::new(&table, on);
        Mapping {
            name: None,
            table,
            schema: None,
            key,
            user,
            provider,
            account: Some(rich.account.clone()).filter(|_| is_rich),
            client: Some(rich.account).filter(|_| is_rich),
            oauth1_providers: if is_rich { vec!["twitter".to_owned()] } else { Vec::new() },
            tokens,
            expires,
            newest_by: Some(NewestBy::Created).filter(|_| created.is_some()),
            created,
            renewed: None,
            used: None,
            filter,
            cookie: Some(rich.cookie).filter(|_| is_rich),
            parent: if is_rich { vec![rich.parent] } else { Vec::new() },
            join: if is_rich { vec![rich.join] } else { Vec::new() },
            identity: IdentitySources {
                issuer: Some(rich.issuer).filter(|_| is_rich),
                subject: None,
                sid: None,
            },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_mapping_comes_back_from_its_file(mapping in mapping()) {
        let mappings = Mappings { mapping: vec![mapping] };
        let text = mappings.to_toml().unwrap();
        let read = Mappings::from_toml(&text);
        prop_assert_eq!(read.map_err(|error| format!("{error}\n{text}")), Ok(mappings));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,60}", at in 0_usize..200) {
        let _ = Mappings::from_toml(&text);
        let cut = SMALLEST.get(..at.min(SMALLEST.len())).unwrap_or_default();
        let _ = Mappings::from_toml(&format!("{cut}{text}"));
    }
}
