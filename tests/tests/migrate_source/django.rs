//! django-allauth and python-social-auth.

use session_migrate::source::{Codecs, SourceKeys, row::UnreadableReason};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::source::Source;

pub(crate) async fn allauth(database: Database) -> Source {
    let source = Source::on(database).await;
    source.run("
        CREATE TABLE auth_user (id {id}, username VARCHAR(150));
        CREATE TABLE socialaccount_socialapp (id {id}, provider VARCHAR(30));
        CREATE TABLE socialaccount_socialaccount (id {id}, provider VARCHAR(200) NOT NULL,
          uid VARCHAR(191) NOT NULL, last_login {zoned}, date_joined {zoned},
          user_id INTEGER NOT NULL, extra_data {json}, UNIQUE (provider, uid));
        CREATE TABLE socialaccount_socialtoken (id {id}, token TEXT NOT NULL,
          token_secret TEXT NOT NULL, expires_at {zoned}, account_id INTEGER NOT NULL,
          app_id INTEGER, UNIQUE (app_id, account_id));
        INSERT INTO auth_user VALUES (1, 'ann'), (2, 'bob');
        INSERT INTO socialaccount_socialaccount (id, provider, uid, last_login, date_joined, user_id) VALUES
          (1, 'google', 'g-1', '2025-10-09 12:00:00.123456', '2025-01-01 00:00:00', 1),
          (2, 'google', 'g-2', '2025-10-09 12:00:00', '2025-01-01 00:00:00', 1),
          (3, 'Google', 'g-3', '2025-10-09 12:00:00', '2025-01-01 00:00:00', 2),
          (4, 'github', 'h-1', '2025-10-09 12:00:00', '2025-01-01 00:00:00', 9);
        INSERT INTO socialaccount_socialtoken (id, token, token_secret, expires_at, account_id, app_id) VALUES
          (1, 'at-1', 'rt-1', '2025-10-09 12:00:00', 1, NULL),
          (2, 'at-1b', 'rt-1b', NULL, 1, NULL),
          (3, 'at-2', '', '2025-10-09 12:00:00.5', 2, 1),
          (4, 'at-3', '', NULL, 3, 1),
          (5, 'at-4', '', NULL, 4, 1),
          (6, 'at-5', '', NULL, 77, 1)").await;
    source
}

on_every_database! {
    async fn allauth_joins_the_account(database: Database) {
        let source = allauth(database).await;
        let expected = [
            "1 1 \"google\" g-1 at-1 rt-1 1760011200",
            // The app is NULL for both, so the unique key let a second row of the account in.
            "2 1 \"google\" g-1 at-1b rt-1b -",
            "3 1 \"google\" g-2 at-2 - 1760011200",
            "4 2 \"Google\" g-3 at-3 - -",
            "5 9 \"github\" h-1 at-4 - - orphan",
            "6 - \"-\" - at-5 - - orphan",
        ];
        assert_eq!(source.lines("allauth", SourceKeys::none()).await, expected);
        let fit = source.recognised("allauth").await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(SourceKeys::none())).await;
        let used = rows[0].used_at.unwrap().as_millis();
        // MariaDB's column here keeps milliseconds, which is what we keep.
        assert_eq!(used, 1_760_011_200_123);
    }

    async fn a_user_model_of_ones_own_is_no_parent(database: Database) {
        let source = allauth(database).await;
        source.run("ALTER TABLE auth_user RENAME TO people").await;
        let fit = source.recognised("allauth").await;
        assert!(fit.notes.iter().any(|note| note.contains("orphans cannot be told")), "{fit:?}");
        let inspection = source.inspect(SourceKeys::none()).await;
        let report = &inspection.recognised[0].sources[0];
        // Tokens without an account are orphans still.
        assert_eq!((report.orphans_known, report.total.orphans), (true, 1));
    }

    async fn social_auth_reads_its_response_and_relative_times(database: Database) {
        let source = Source::on(database).await;
        let json = if source.kind() == Kind::Sqlite { "text" } else { "{json}" };
        source.run(&"
            CREATE TABLE auth_user (id {id}, username VARCHAR(150));
            CREATE TABLE social_auth_usersocialauth (id {id}, provider VARCHAR(32) NOT NULL,
              uid VARCHAR(191) NOT NULL, user_id INTEGER NOT NULL, created {zoned}, modified {zoned},
              extra_data {json}, UNIQUE (provider, uid));
            INSERT INTO auth_user VALUES (1, 'ann')".replace("{json}", json)).await;
        let rows = [
            r#"{"access_token": "at-1", "refresh_token": "rt-1", "expires": 3600,
               "auth_time": 1760000000, "id": "x", "token_type": "bearer", "tenant": {"a": [1]}}"#,
            r#"{"access_token": "at-2", "expires_in": "3600"}"#,
            r#"{"access_token": "at-3", "expires": 1760000000}"#,
            r#"{"access_token": "at-4", "expires_on": "1760000000"}"#,
            r#"{"access_token": {"oauth_token": "a", "oauth_token_secret": "b"}}"#,
            r#"{"id": "no token"}"#,
            r#"{"access_token": "at-7", "expires": "never"}"#,
        ];
        for (at, json) in rows.iter().enumerate() {
            let at = at + 1;
            source.run(&format!(
                "INSERT INTO social_auth_usersocialauth VALUES ({at}, 'azuread', 'u-{at}', 1, \
                 '2025-10-09 12:00:00', '2025-10-09 12:00:00', '{json}')"
            )).await;
        }
        let expected = [
            "1 1 \"azuread\" u-1 at-1 rt-1 1760003600",
            "2 1 \"azuread\" u-2 at-2 - 1760014800",
            "3 1 \"azuread\" u-3 at-3 - 1760000000",
            "4 1 \"azuread\" u-4 at-4 - 1760000000",
            "5 1 \"azuread\" u-5 unreadable not_a_token -",
            "6 1 \"azuread\" u-6 no tokens -",
            "7 1 \"azuread\" u-7 at-7 - -",
        ];
        assert_eq!(source.lines("python-social-auth", SourceKeys::none()).await, expected);
        let fit = source.recognised("python-social-auth").await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(SourceKeys::none())).await;
        let extra = rows[0].tokens.opened().unwrap().extra();
        assert_eq!((&extra["tenant"]["a"][0], &extra["id"]), (&1.into(), &"x".into()));
        assert_eq!(UnreadableReason::NotAToken.code(), "not_a_token");
    }
}
