//! The projects with a column for each token.

use session_migrate::source::SourceKeys;
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use super::trip::round_trip;
use crate::source::{Source, blob};
use crate::{authjs, django};

const AUTHJS: [&str; 5] = ["access_token", "refresh_token", "id_token", "scope", "expires_at"];

/// Auth.js's table without its key, whose `token_type` is there and NULL.
fn accounts(user: &str, texts: &str) -> String {
    format!(
        "«userId» {user} NOT NULL, type VARCHAR(100) NOT NULL, provider VARCHAR(100) NOT NULL,
         «providerAccountId» VARCHAR(100) NOT NULL, refresh_token {texts}, access_token {texts},
         expires_at BIGINT, id_token {texts}, scope {texts}, session_state {texts}"
    )
}

on_every_database! {
    async fn authjs_pg(database: Database) {
        let source = Source::on(database).await;
        source.run(&format!("CREATE TABLE accounts (id {{id}}, {})", accounts("INTEGER", "TEXT"))).await;
        authjs::fill(&source, "accounts", |at| Some(at.to_string())).await;
        let fit = source.recognised("authjs-pg").await;
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &AUTHJS).await;
    }

    async fn authjs_prisma(database: Database) {
        let source = Source::on(database).await;
        source.run(&format!(
            "CREATE TABLE «_prisma_migrations» (id VARCHAR(36) PRIMARY KEY);
             CREATE TABLE «Account» (id VARCHAR(30) PRIMARY KEY, {}, «createdAt» {{naive}}, «updatedAt» {{naive}})",
            accounts("VARCHAR(30)", "TEXT")
        )).await;
        authjs::fill(&source, "Account", |at| Some(format!("'cuid-{at}'"))).await;
        let moment = match source.kind() {
            Kind::Sqlite => "1760011200500",
            _ => "'2025-10-09 12:00:00.5'",
        };
        source.run(&format!("UPDATE «Account» SET «createdAt» = {moment}, «updatedAt» = {moment}")).await;
        let fit = source.recognised("authjs-prisma").await;
        let touched = [&AUTHJS[..], &["updatedAt"]].concat();
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &touched).await;
    }

    async fn authjs_drizzle(database: Database) {
        let source = Source::on(database).await;
        source.run(&format!(
            "CREATE TABLE account ({}, PRIMARY KEY (provider, «providerAccountId»))",
            accounts("VARCHAR(100)", "VARCHAR(255)")
        )).await;
        authjs::fill(&source, "account", |_| None).await;
        let fit = source.recognised("authjs-drizzle").await;
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &AUTHJS).await;
    }

    async fn authjs_typeorm(database: Database) {
        let source = Source::on(database).await;
        source.run(&format!(
            "CREATE TABLE typeorm_metadata (type VARCHAR(255) NOT NULL);
             CREATE TABLE accounts (id {{uuid}} PRIMARY KEY, {})", accounts("VARCHAR(36)", "VARCHAR(255)")
        )).await;
        authjs::fill(&source, "accounts", |at| Some(format!("'018f0000-0000-7000-8000-00000000000{at}'"))).await;
        let fit = source.recognised("authjs-typeorm").await;
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &AUTHJS).await;
    }

    async fn allauth(database: Database) {
        let source = django::allauth(database).await;
        let fit = source.recognised("allauth").await;
        let touched = ["token", "token_secret", "expires_at"];
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &touched).await;
    }

    async fn spring(database: Database) {
        let source = Source::on(database).await;
        let (at, rt) = (blob(source.kind(), b"at"), blob(source.kind(), b"rt"));
        source.run(&format!("
            CREATE TABLE oauth2_authorized_client (client_registration_id VARCHAR(100) NOT NULL,
              principal_name VARCHAR(200) NOT NULL, access_token_type VARCHAR(100) NOT NULL,
              access_token_value {{bytes}} NOT NULL, access_token_issued_at {{naive}} NOT NULL,
              access_token_expires_at {{naive}} NOT NULL, access_token_scopes VARCHAR(1000),
              refresh_token_value {{bytes}}, refresh_token_issued_at {{naive}}, created_at {{naive}},
              PRIMARY KEY (client_registration_id, principal_name));
            INSERT INTO oauth2_authorized_client VALUES
              ('okta', 'Zoë', 'Bearer', {at}, '2025-10-09 11:00:00', '2025-10-09 12:00:00', 'openid,email', {rt}, NULL, '2025-01-01 00:00:00'),
              ('Okta-EU', 'Kim', 'Bearer', {at}, '2025-10-09 11:00:00', '2025-10-09 12:00:00', NULL, NULL, NULL, '2025-01-01 00:00:00')")).await;
        let fit = source.recognised("spring").await;
        let touched = ["access_token_value", "refresh_token_value", "access_token_scopes",
            "access_token_expires_at", "access_token_issued_at"];
        round_trip(&source, &fit.mappings.mapping[0], &SourceKeys::none(), &touched).await;
    }

    async fn rails(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE identities (id {id}, user_id BIGINT, provider VARCHAR(255),
              uid VARCHAR(255), token VARCHAR(255), refresh_token VARCHAR(255), expires_at INTEGER,
              created_at {naive}, updated_at {naive});
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
        let source = Source::on(database).await;
        let json = if source.kind() == Kind::Sqlite { "text" } else { "{json}" };
        source.run(&"
            CREATE TABLE social_auth_usersocialauth (id {id}, provider VARCHAR(32) NOT NULL,
              uid VARCHAR(191) NOT NULL, user_id INTEGER NOT NULL, created {zoned}, modified {zoned},
              extra_data {json}, UNIQUE (provider, uid))".replace("{json}", json)).await;
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
