//! Projects that store tokens in plain text: Spring Security, django-allauth, python-social-auth,
//! and Rails applications with OmniAuth.

use crate::database::{Database, Kind};
use crate::source::{Source, blob};

/// The table of Spring Security's `JdbcOAuth2AuthorizedClientService`.
pub const SPRING: &str = "
CREATE TABLE oauth2_authorized_client (client_registration_id VARCHAR(100) NOT NULL,
  principal_name VARCHAR(200) NOT NULL, access_token_type VARCHAR(100) NOT NULL,
  access_token_value {bytes} NOT NULL, access_token_issued_at {naive} NOT NULL,
  access_token_expires_at {naive} NOT NULL, access_token_scopes VARCHAR(1000),
  refresh_token_value {bytes}, refresh_token_issued_at {naive}, created_at {naive},
  PRIMARY KEY (client_registration_id, principal_name))";

/// Creates Spring's table with rows.
pub async fn spring(database: Database) -> Source {
    let source = Source::with(database, SPRING).await;
    for (registration, principal, scopes, refresh) in [
        ("okta", "Zoë Ångström", "'openid,email'", Some("rt-1")),
        ("okta", "Kim", "NULL", None),
        ("Okta-EU", "Kim", "'openid,email'", Some("rt-3")),
        ("azure", "10000000000000000001", "'openid,email'", None),
    ] {
        let token = blob(source.kind(), format!("at-{principal}").as_bytes());
        let refresh = refresh.map_or("NULL".to_owned(), |it| blob(source.kind(), it.as_bytes()));
        source
            .run(&format!(
                "INSERT INTO oauth2_authorized_client VALUES ('{registration}', '{principal}', \
                 'Bearer', {token}, '2025-10-09 11:00:00', '2025-10-09 12:00:00', {scopes}, \
                 {refresh}, NULL, '2025-01-01 00:00:00')"
            ))
            .await;
    }
    source
}

/// The tables of django-allauth.
pub const ALLAUTH: &str = "
CREATE TABLE auth_user (id {id}, username VARCHAR(150));
CREATE TABLE socialaccount_socialapp (id {id}, provider VARCHAR(30));
CREATE TABLE socialaccount_socialaccount (id {id}, provider VARCHAR(200) NOT NULL,
  uid VARCHAR(191) NOT NULL, last_login {zoned}, date_joined {zoned}, user_id INTEGER NOT NULL,
  extra_data {json}, UNIQUE (provider, uid));
CREATE TABLE socialaccount_socialtoken (id {id}, token TEXT NOT NULL, token_secret TEXT NOT NULL,
  expires_at {zoned}, account_id INTEGER NOT NULL, app_id INTEGER, UNIQUE (app_id, account_id))";

/// Creates django-allauth's tables with rows: two tokens of one account, and an orphan.
pub async fn allauth(database: Database) -> Source {
    let source = Source::with(database, ALLAUTH).await;
    source.run("
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
  (5, 'at-4', '', NULL, 4, 1)").await;
    source
}

/// The tables of python-social-auth.
pub const SOCIAL_AUTH: &str = "
CREATE TABLE auth_user (id {id}, username VARCHAR(150));
CREATE TABLE social_auth_usersocialauth (id {id}, provider VARCHAR(32) NOT NULL, uid VARCHAR(191) NOT NULL,
  user_id INTEGER NOT NULL, created {zoned}, modified {zoned}, extra_data {json_text}, UNIQUE (provider, uid))";

/// Creates python-social-auth's tables with rows: every form of expiry, and rows without a token.
pub async fn social_auth(database: Database) -> Source {
    let source = Source::with(database, SOCIAL_AUTH).await;
    source.run("INSERT INTO auth_user VALUES (1, 'ann')").await;
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
        source
            .run(&format!(
                "INSERT INTO social_auth_usersocialauth VALUES ({at}, 'azuread', 'u-{at}', 1, \
                 '2025-10-09 12:00:00', '2025-10-09 12:00:00', '{json}')"
            ))
            .await;
    }
    source
}

/// The tables of a Rails application with OmniAuth.
pub const RAILS: &str = "
CREATE TABLE users (id {id}, email VARCHAR(255));
CREATE TABLE identities (id {id}, user_id BIGINT, provider VARCHAR(255), uid VARCHAR(255),
  token VARCHAR(255), refresh_token VARCHAR(255), expires_at INTEGER, created_at {naive}, updated_at {naive})";

/// Creates the tables of a Rails application with rows: two of one account, and one without a user.
pub async fn rails(database: Database) -> Source {
    let source = Source::with(database, RAILS).await;
    source.run("
INSERT INTO users VALUES (1, 'ann@example.invalid');
INSERT INTO identities VALUES
  (1, 1, 'google_oauth2', 'g-1', 'at-1', 'rt-1', 1760000000, '2025-10-09 12:00:00', '2025-10-09 12:00:00'),
  (2, 1, 'Google_oauth2', 'g-1', 'at-2', NULL, NULL, '2025-10-09 12:00:00', '2025-10-09 12:00:00'),
  (3, NULL, 'github', NULL, 'at-3', NULL, NULL, NULL, NULL),
  (4, 1, 'google_oauth2', 'g-1', 'at-4', NULL, NULL, '2025-10-09 12:00:00', '2025-10-09 12:00:00')").await;
    if source.kind() == Kind::Sqlite {
        source.run("UPDATE identities SET expires_at = 1760000000.5 WHERE id = 1").await;
    }
    source
}
