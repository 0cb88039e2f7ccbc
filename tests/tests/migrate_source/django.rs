//! django-allauth and python-social-auth.

use session_migrate::source::{Codecs, SourceKeys, row::UnreadableReason};
use session_tests::database::Database;
use session_tests::{on_every_database, projects};

on_every_database! {
    async fn allauth_joins_the_account(database: Database) {
        let source = projects::allauth(database).await;
        let orphan = "(6, 'at-5', '', NULL, 77, 1)";
        let columns = "id, token, token_secret, expires_at, account_id, app_id";
        source.run(&format!("INSERT INTO socialaccount_socialtoken ({columns}) VALUES {orphan}")).await;
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

    async fn the_secret_of_an_oauth_1_token_is_no_refresh_token(database: Database) {
        let source = projects::allauth(database).await;
        source.run("
INSERT INTO socialaccount_socialaccount (id, provider, uid, user_id) VALUES
  (5, 'twitter', 't-1', 1), (6, 'twitter_oauth2', 't-2', 1);
INSERT INTO socialaccount_socialtoken (id, token, token_secret, account_id, app_id) VALUES
  (6, 'at-5', 'secret', 5, 1), (7, 'at-6', 'rt-6', 6, 1)").await;
        let lines = source.lines("allauth", SourceKeys::none()).await;
        let expected = ["6 1 \"twitter\" t-1 unreadable oauth1 -", "7 1 \"twitter_oauth2\" t-2 at-6 rt-6 -"];
        assert_eq!(lines[5..], expected);
        let fit = source.recognised("allauth").await;
        assert!(fit.notes.iter().any(|note| note.contains("OAuth 1")), "{fit:?}");
    }

    async fn a_user_model_of_ones_own_is_no_parent(database: Database) {
        let source = projects::allauth(database).await;
        source.run("DELETE FROM socialaccount_socialaccount WHERE id = 4").await;
        source.run("ALTER TABLE auth_user RENAME TO people").await;
        let fit = source.recognised("allauth").await;
        assert!(fit.notes.iter().any(|note| note.contains("orphans cannot be recognised")), "{fit:?}");
        let inspection = source.inspect(SourceKeys::none()).await;
        let report = &inspection.recognised[0].sources[0];
        // Tokens without an account are orphans still.
        assert_eq!((report.orphans_known, report.total.orphans), (true, 1));
    }

    async fn social_auth_reads_its_response_and_relative_times(database: Database) {
        let source = projects::social_auth(database).await;
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
        let extra = rows[0].tokens.opened().unwrap().extra().values();
        assert_eq!((&extra["tenant"]["a"][0], &extra["id"]), (&1.into(), &"x".into()));
        assert_eq!(UnreadableReason::NotAToken.code(), "not_a_token");
    }
}
