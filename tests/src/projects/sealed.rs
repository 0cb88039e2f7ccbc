//! Projects that encrypt tokens: better-auth, Grafana, Laravel applications, and Outline.

use session_core::Timestamp;
use session_migrate::source::{
    Cell, SourceKeys, TokenCodec, codec::BetterAuth, codec::DataKeys, codec::Grafana,
    codec::Laravel, codec::Outline,
};

use crate::database::{Database, Kind};
use crate::source::{Source, blob};

/// The key of [`better_auth`].
pub const BETTER_AUTH_KEY: &str = "a secret of better-auth";
/// The key of [`grafana`].
pub const GRAFANA_KEY: &str = "SW2YcwTIb9zpOOhoPsMm";
/// The key of [`laravel`].
pub const LARAVEL_KEY: &str = "base64:w0z6aiWNTmhx98P5oQurzaKsqz/12sl3r85ZBgpXYAs=";
/// The key of [`outline`].
pub const OUTLINE_KEY: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

/// A value in better-auth's encrypted form; the codec seals in the form of the old value.
const BETTER_AUTH_FORM: &str = "$ba$3$00000000000000000000000000000000000000000000000000";
/// An empty text as `encryptString` of Laravel encrypts it.
pub const LARAVEL_FORM: &str = "eyJpdiI6IiIsInZhbHVlIjoiIiwibWFjIjoiIn0=";

/// Seals a token in the form of another value.
pub fn seal(codec: &dyn TokenCodec, token: &str, form: &str) -> Cell {
    let form = Cell::Text(form.to_owned());
    codec.seal(token.as_bytes(), &form, Timestamp::from_millis(0)).unwrap()
}

/// Returns the text of a cell.
#[must_use]
pub fn text(cell: &Cell) -> String {
    cell.as_text().unwrap().into_owned()
}

/// The tables of better-auth. `{refers}` stands for the foreign key to the user.
pub const BETTER_AUTH: &str = "
CREATE TABLE «user» (id VARCHAR(36) NOT NULL PRIMARY KEY, name TEXT);
CREATE TABLE account (id VARCHAR(36) NOT NULL PRIMARY KEY, «accountId» TEXT NOT NULL,
  «providerId» TEXT NOT NULL, «userId» VARCHAR(36) NOT NULL{refers}, «accessToken» TEXT, «refreshToken» TEXT,
  «idToken» TEXT, «accessTokenExpiresAt» {iso}, «refreshTokenExpiresAt» {iso}, scope TEXT,
  password TEXT, «createdAt» {iso}, «updatedAt» {iso});
CREATE TABLE session (id VARCHAR(36) NOT NULL PRIMARY KEY, token TEXT, «userId» TEXT)";

/// Creates better-auth's tables with plain and encrypted rows.
pub async fn better_auth(database: Database) -> Source {
    let source = Source::with(database, BETTER_AUTH).await;
    source.run("INSERT INTO «user» VALUES ('u1', 'Ann'), ('u2', 'Bob')").await;
    let codec = BetterAuth::new(&SourceKeys::new(BETTER_AUTH_KEY));
    let [access, refresh] =
        ["at-3", "rt-3"].map(|token| text(&seal(&codec, token, BETTER_AUTH_FORM)));
    let time = |second: u32| match source.kind() {
        Kind::Sqlite => format!("'2025-10-09T12:00:0{second}.000Z'"),
        Kind::Postgres => format!("'2025-10-09T14:00:0{second}.000+02'"),
        _ => format!("'2025-10-09 12:00:0{second}'"),
    };
    for (id, account, provider, user, tokens, second) in [
        ("A1", "acc-1", "google", "u1", "'at-1', 'rt-1', 'it-1'", 1),
        // The same account again, and newer. MariaDB's collation must not confuse it with `A2`.
        ("a2", "acc-1", "google", "u1", "'at-1b', 'rt-1b', NULL", 2),
        ("b2", "acc-2", "Google", "u1", "'at-2', NULL, NULL", 1),
        ("c3", "acc-3", "google", "u1", &format!("'{access}', '{refresh}', 'it-3'"), 1),
        ("d4", "u1", "credential", "u1", "NULL, NULL, NULL", 1),
        ("e5", "acc-5", "google", "u2", &format!("'{access}00', NULL, NULL"), 1),
        ("f6", "acc-6", "google", "gone", "'0123456789abcdef', NULL, NULL", 1),
    ] {
        let time = time(second);
        source
            .run(&format!(
                "INSERT INTO account (id, «accountId», «providerId», «userId», «accessToken», \
                 «refreshToken», «idToken», «accessTokenExpiresAt», «createdAt», «updatedAt») VALUES \
                 ('{id}', '{account}', '{provider}', '{user}', {tokens}, {time}, {time}, {time})"
            ))
            .await;
    }
    source
}

/// The tables of Grafana.
pub const GRAFANA: &str = "
CREATE TABLE «user» (id {id}, login VARCHAR(190));
CREATE TABLE user_auth (id {id}, user_id BIGINT NOT NULL, auth_module VARCHAR(190) NOT NULL,
  auth_id VARCHAR(190) NOT NULL, created {naive}, o_auth_access_token TEXT, o_auth_refresh_token TEXT,
  o_auth_token_type TEXT, o_auth_expiry {naive}, o_auth_id_token TEXT, external_uid TEXT);
INSERT INTO «user» VALUES (1, 'ann'), (2, 'bob')";

/// Creates Grafana's tables with rows: one of LDAP, one that does not decrypt, and an orphan.
pub async fn grafana(database: Database) -> Source {
    let source = Source::with(database, GRAFANA).await;
    let codec = Grafana::new(&SourceKeys::new(GRAFANA_KEY), &DataKeys::none());
    let [access, refresh] = ["at-1", "rt-1"].map(|token| text(&seal(&codec, token, "")));
    source.run(&format!("
INSERT INTO user_auth (id, user_id, auth_module, auth_id, created, o_auth_access_token, o_auth_refresh_token, o_auth_expiry) VALUES
  (1, 1, 'oauth_google', 'g-1', '2025-01-01 00:00:00', '{access}', '{refresh}', '2025-10-09 12:00:00'),
  (2, 2, 'ldap', 'cn=bob', '2025-01-01 00:00:00', NULL, NULL, NULL),
  (3, 2, 'oauth_github', 'h-1', '2025-01-01 00:00:00', 'bm8gY2lwaGVydGV4dCBhdCBhbGwsIG5vbmUu', '', NULL),
  (4, 9, 'oauth_google', 'g-2', '2025-01-01 00:00:00', '{access}', '', NULL)")).await;
    source
}

/// The table of a Laravel application: columns of two providers in the table of the users.
pub const LARAVEL: &str = "
CREATE TABLE users (id {id}, name VARCHAR(255), email VARCHAR(255), remember_token VARCHAR(100),
  api_token VARCHAR(80), github_id VARCHAR(255), github_token TEXT, github_refresh_token TEXT,
  google_id VARCHAR(255), google_token TEXT, google_refresh_token TEXT, created_at {naive}, updated_at {naive})";

/// Creates a Laravel application's table with plain and encrypted rows, one under another key.
pub async fn laravel(database: Database) -> Source {
    let source = Source::with(database, LARAVEL).await;
    let seal = |key: &str, token: &str| {
        text(&seal(&Laravel::new(&SourceKeys::new(key)).unwrap(), token, LARAVEL_FORM))
    };
    let (right, wrong) = (seal(LARAVEL_KEY, "gho-2"), seal("0123456789abcdef", "x"));
    source.run(&format!("
INSERT INTO users (id, name, remember_token, github_id, github_token, github_refresh_token, google_id, google_token, google_refresh_token) VALUES
  (1, 'Ann', 'r', 'h-1', 'gho-1', NULL, 'g-1', 'ya29-1', 'rt-1'),
  (2, 'Bob', 'r', 'h-2', '{right}', '', NULL, NULL, NULL),
  (3, 'Cy', 'r', NULL, '', NULL, 'g-3', '{wrong}', NULL),
  (4, 'Di', NULL, NULL, NULL, NULL, NULL, NULL, NULL)")).await;
    source
}

/// The tables of Outline.
pub const OUTLINE: &str = "
CREATE TABLE users (id {uuid} PRIMARY KEY, name VARCHAR(255));
CREATE TABLE authentication_providers (id {uuid} PRIMARY KEY, name VARCHAR(255), «providerId» VARCHAR(255));
CREATE TABLE user_authentications (id {uuid} PRIMARY KEY, «userId» {uuid} NOT NULL,
  «authenticationProviderId» {uuid}, «accessToken» {bytes}, «refreshToken» {bytes}, scopes {texts},
  «providerId» VARCHAR(255) UNIQUE, «expiresAt» {zoned}, «lastValidatedAt» {zoned}, «createdAt» {zoned}, «updatedAt» {zoned})";

/// Creates Outline's tables with rows, one of which does not decrypt; each id ends in its number.
pub async fn outline(database: Database) -> Source {
    let source = Source::with(database, OUTLINE).await;
    let codec = Outline::new(&SourceKeys::new(OUTLINE_KEY)).unwrap();
    let token = |token: &str| blob(source.kind(), seal(&codec, token, "").as_bytes().unwrap());
    let id = |at: usize| format!("018f0000-0000-7000-8000-00000000000{at}");
    let scopes = match source.kind() {
        Kind::Postgres => "{read,\"write all\"}",
        _ => "read,write",
    };
    source.run(&format!("INSERT INTO users VALUES ('{}', 'Ann')", id(1))).await;
    source
        .run(&format!(
            "INSERT INTO authentication_providers VALUES ('{}', 'google', 'example.com')",
            id(5)
        ))
        .await;
    let wrong = blob(source.kind(), &[7; 48]);
    for (at, user, access, refresh, account) in [
        (1, 1, token("at-1"), token("rt-1"), "g-1"),
        (2, 1, token("at-2"), "NULL".to_owned(), "g-2"),
        (3, 2, wrong, "NULL".to_owned(), "g-3"),
    ] {
        source.run(&format!(
            "INSERT INTO user_authentications VALUES ('{}', '{}', '{}', {access}, {refresh}, '{scopes}', \
             '{account}', '2025-10-09 12:00:00', NULL, '2025-01-01 00:00:00', '2025-01-01 00:00:00')",
            id(at), id(user), id(5)
        )).await;
    }
    source
}
