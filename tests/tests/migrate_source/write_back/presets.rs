//! The projects that store tokens in plain text.

use session_migrate::source::SourceKeys;
use session_tests::database::Database;
use session_tests::source::Source;
use session_tests::{on_every_database, projects};

use super::trip::round_trip;

const AUTHJS: [&str; 6] =
    ["access_token", "refresh_token", "id_token", "scope", "token_type", "expires_at"];

on_every_database! {
    async fn authjs_pg(database: Database) {
        let source = projects::authjs_pg(database).await;
        let fit = source.recognised("authjs-pg").await;
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &AUTHJS).await;
    }

    async fn authjs_prisma(database: Database) {
        let source = projects::authjs_prisma(database).await;
        source.run("UPDATE «Account» SET «updatedAt» = «createdAt»").await;
        let fit = source.recognised("authjs-prisma").await;
        let touched = [&AUTHJS[..], &["updatedAt"]].concat();
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &touched).await;
    }

    async fn authjs_drizzle(database: Database) {
        let source = projects::authjs_drizzle(database).await;
        let fit = source.recognised("authjs-drizzle").await;
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &AUTHJS).await;
    }

    async fn authjs_typeorm(database: Database) {
        let source = projects::authjs_typeorm(database).await;
        let fit = source.recognised("authjs-typeorm").await;
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &AUTHJS).await;
    }

    async fn allauth(database: Database) {
        let source = projects::allauth(database).await;
        let fit = source.recognised("allauth").await;
        let touched = ["token", "token_secret", "expires_at"];
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &touched).await;
    }

    async fn spring(database: Database) {
        let source = projects::spring(database).await;
        let fit = source.recognised("spring").await;
        let touched = ["access_token_value", "refresh_token_value", "access_token_scopes",
            "access_token_expires_at", "access_token_issued_at"];
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &touched).await;
    }

    async fn rails(database: Database) {
        let source = Source::with(database, projects::RAILS).await;
        source.run("
            INSERT INTO identities VALUES
              (1, 1, 'google_oauth2', 'g-1', 'at-1', 'rt-1', 1760000000, '2025-10-09 12:00:00', '2025-10-09 12:00:00'),
              (2, 1, 'Google_oauth2', NULL, 'at-2', NULL, NULL, '2025-10-09 12:00:00.123456', '2025-10-09 12:00:00.123456'),
              (3, NULL, 'github', NULL, 'at-3', NULL, NULL, NULL, NULL)").await;
        let fit = source.recognised("rails").await;
        let touched = ["token", "refresh_token", "expires_at", "updated_at"];
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &touched).await;
        source.run("
            DROP TABLE identities;
            CREATE TABLE authorizations (id {id}, user_id BIGINT, provider VARCHAR(255),
              uid VARCHAR(255), access_token TEXT, oauth_expires_at {naive});
            INSERT INTO authorizations VALUES (1, 1, 'okta', 'o-1', 'at-1', '2025-10-09 12:00:00'),
              (2, 1, 'okta', 'o-1', 'at-1', NULL)").await;
        let fit = source.recognised("rails").await;
        let touched = ["access_token", "oauth_expires_at"];
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &touched).await;
    }

    async fn python_social_auth(database: Database) {
        let source = Source::with(database, projects::SOCIAL_AUTH).await;
        for (at, json) in [
            r#"{"access_token": "at-1", "refresh_token": "rt-1", "expires": 3600,
               "auth_time": 1760000000, "id": "x", "token_type": "bearer", "tenant": {"a": [1]}}"#,
            r#"{"access_token": "at-2", "expires_in": "3600"}"#,
            r#"{"access_token": "at-3", "expires": 1760000000, "scope": ["a"]}"#,
            r#"{"access_token": "at-4", "expires_on": "1760000000", "expires_in": 9}"#,
            r#"{"access_token": {"oauth_token": "a", "oauth_token_secret": "b"}}"#,
            r#"{"access_token": "at-7", "expires": "never", "auth_time": 1760000000.5}"#,
            r#"{"access_token": "at-8", "scope": "a,b"}"#,
        ].iter().enumerate() {
            source.run(&format!(
                "INSERT INTO social_auth_usersocialauth VALUES ({at}, 'azuread', 'u-{at}', 1, \
                 '2025-10-09 12:00:00', '2025-10-09 12:00:00', '{json}')", at = at + 1
            )).await;
        }
        let fit = source.recognised("python-social-auth").await;
        let touched = ["extra_data", "modified"];
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &touched).await;
    }
}
