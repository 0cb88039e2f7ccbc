//! Spring's authorized clients and the identities of Rails applications.

use session_migrate::source::{Codecs, SourceKeys, mapping::Unit};
use session_tests::database::{Database, Kind};
use session_tests::source::Source;
use session_tests::{on_every_database, projects};

on_every_database! {
    async fn spring_keeps_its_names_and_bytes(database: Database) {
        let source = projects::spring(database).await;
        let expected = [
            "[\"Okta-EU\",\"Kim\"] Kim \"Okta-EU\" - at-Kim rt-3 1760011200",
            "[\"azure\",\"10000000000000000001\"] 10000000000000000001 \"azure\" - at-10000000000000000001 - 1760011200",
            "[\"okta\",\"Kim\"] Kim \"okta\" - at-Kim - 1760011200",
            "[\"okta\",\"Zoë Ångström\"] Zoë Ångström \"okta\" - at-Zoë Ångström rt-1 1760011200",
        ];
        assert_eq!(source.lines("spring", SourceKeys::none()).await, expected);
        let fit = source.recognised("spring").await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(SourceKeys::none())).await;
        let tokens = rows[0].tokens.opened().unwrap();
        assert_eq!((tokens.scope(), tokens.token_type()), (Some("openid email"), Some("Bearer")));
        assert_eq!(rows[0].renewed_at.unwrap().as_millis(), 1_760_007_600_000);
    }

    async fn rails_is_adapted_to_its_columns(database: Database) {
        let source = projects::rails(database).await;
        let expected = [
            "1 1 \"google_oauth2\" g-1 at-1 rt-1 1760000000",
            "2 1 \"Google_oauth2\" g-1 at-2 - -",
            "3 - \"github\" - at-3 - - orphan",
            "4 1 \"google_oauth2\" g-1 at-4 - -",
        ];
        assert_eq!(source.lines("rails", SourceKeys::none()).await, expected);
        source.run("
            DROP TABLE identities;
            CREATE TABLE authorizations (id {id}, user_id BIGINT, provider VARCHAR(255),
              uid VARCHAR(255), access_token TEXT, oauth_expires_at {naive});
            INSERT INTO authorizations VALUES (1, 1, 'okta', 'o-1', 'at-1', '2025-10-09 12:00:00')").await;
        let expected = ["1 1 \"okta\" o-1 at-1 - 1760011200"];
        assert_eq!(source.lines("rails", SourceKeys::none()).await, expected);
        let fit = source.recognised("rails").await;
        let mapping = &fit.mappings.mapping[0];
        assert_eq!((mapping.expires[0].unit, mapping.newest_by), (Unit::Timestamp, None));
        source.run("
            DROP TABLE authorizations;
            CREATE TABLE identities (id {id}, user_id BIGINT, provider VARCHAR(255),
              uid VARCHAR(255), extern_uid VARCHAR(255))").await;
        // GitLab's have no tokens: nothing to move.
        assert!(source.inspect(SourceKeys::none()).await.recognised.is_empty());
    }
}

#[tokio::test]
async fn sqlite_columns_of_numbers_hold_what_they_are_given() {
    let source = Source::on(Database::create(Kind::Sqlite).await).await;
    source
        .run(
            "
        CREATE TABLE identities (id {id}, user_id integer, provider varchar, uid varchar,
          token varchar, expires_at integer);
        INSERT INTO identities VALUES (1, 1, 'a', 'u', 'at', 1760000000.5),
          (2, 'one', 'a', 'u', 'at', 'soon'), (3, 1.5, 'a', 7, X'6174', '1760000000'),
          (4, 1, 'a', 'u', CAST(X'ff' AS text), -1)",
        )
        .await;
    let expected = [
        "1 1 \"a\" u at - 1760000000",
        "2 one \"a\" u at - -",
        "3 1.5 \"a\" 7 at - 1760000000",
        "4 1 \"a\" u unreadable not_text -",
    ];
    assert_eq!(source.lines("rails", SourceKeys::none()).await, expected);
}

#[tokio::test]
async fn what_sqlite_cannot_describe_hides_nothing_else() {
    let source = Source::on(Database::create(Kind::Sqlite).await).await;
    source.run("
        CREATE TABLE gone (id {id});
        CREATE VIEW broken AS SELECT id FROM gone;
        CREATE TABLE identities (id {id}, user_id integer, provider varchar, uid varchar, token varchar);
        INSERT INTO identities VALUES (1, 1, 'a', 'u', 'at');
        DROP TABLE gone").await;
    assert_eq!(source.lines("rails", SourceKeys::none()).await, ["1 1 \"a\" u at - -"]);
}
