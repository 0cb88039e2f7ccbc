//! Sources as each project builds them, with what goes wrong in real ones.

use session_core::Timestamp;
use session_migrate::source::{
    Cell, SourceKeys, TokenCodec, codec::BetterAuth, codec::DataKeys, codec::Grafana,
    codec::Laravel, codec::Outline,
};
use session_tests::database::{Database, Kind};

use crate::source::{Source, blob};

pub(crate) const BETTER_AUTH: &str = "a secret of better-auth";
pub(crate) const GRAFANA: &str = "SW2YcwTIb9zpOOhoPsMm";
pub(crate) const LARAVEL: &str = "base64:w0z6aiWNTmhx98P5oQurzaKsqz/12sl3r85ZBgpXYAs=";
pub(crate) const OUTLINE: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

/// Forms for the codecs to seal alike.
const ENCRYPTED: &str = "$ba$3$00000000000000000000000000000000000000000000000000";
const LARAVEL_FORM: &str = "eyJpdiI6IiIsInZhbHVlIjoiIiwibWFjIjoiIn0=";

fn sealed(codec: &dyn TokenCodec, token: &str, like: &str) -> Cell {
    let like = Cell::Text(like.to_owned());
    codec.seal(token.as_bytes(), &like, Timestamp::from_millis(0)).unwrap()
}

fn text(cell: &Cell) -> String {
    cell.as_text().unwrap().into_owned()
}

/// Two identities of one provider, providers that differ in case and in
/// a blank at the end, one without tokens, and a user who is gone.
const ACCOUNTS: [(&str, &str, &str, &str, &str); 7] = [
    ("1", "google", "g-1", "'at-1', 'rt-1'", "1760000000"),
    ("1", "google", "g-2", "'at-2', 'rt-2'", "1760000000"),
    ("1", "Google", "g-3", "'at-3', NULL", "NULL"),
    ("1", "google ", "g-4", "'at-4', ''", "0"),
    ("2", "github", "h-1", "'at-5', NULL", "NULL"),
    ("2", "resend", "ann@example.invalid", "NULL, NULL", "NULL"),
    ("9", "google", "g-9", "'at-9', 'rt-9'", "1760000000"),
];

async fn accounts(source: &Source, table: &str, id: impl Fn(usize) -> Option<String>) {
    for (at, (user, provider, account, tokens, expires)) in ACCOUNTS.iter().enumerate() {
        let id = id(at + 1);
        let column = if id.is_some() { "id, " } else { "" };
        let id = id.map(|id| format!("{id}, ")).unwrap_or_default();
        source
            .run(&format!(
                "INSERT INTO «{table}» ({column}«userId», type, provider, «providerAccountId», \
                 access_token, refresh_token, expires_at) VALUES \
                 ({id}'{user}', 'oauth', '{provider}', '{account}', {tokens}, {expires})"
            ))
            .await;
    }
}

const ACCOUNT: &str = "type VARCHAR(255) NOT NULL, provider VARCHAR(190) NOT NULL,
  «providerAccountId» VARCHAR(190) NOT NULL, refresh_token TEXT, access_token TEXT,
  expires_at BIGINT, id_token TEXT, scope TEXT, session_state TEXT, token_type TEXT";

pub(crate) async fn authjs_pg(database: Database) -> Source {
    let source = Source::on(database).await;
    source
        .run(&format!(
            "CREATE TABLE users (id {{id}}, name VARCHAR(255));
CREATE TABLE accounts (id {{id}}, «userId» INTEGER NOT NULL, {ACCOUNT});
CREATE TABLE sessions (id {{id}}, «userId» INTEGER NOT NULL, expires {{zoned}}, «sessionToken» VARCHAR(255) NOT NULL);
INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob')"
        ))
        .await;
    accounts(&source, "accounts", |at| Some(at.to_string())).await;
    source
}

pub(crate) async fn authjs_prisma(database: Database) -> Source {
    let source = Source::on(database).await;
    source
        .run(&format!(
            "CREATE TABLE «_prisma_migrations» (id VARCHAR(36) PRIMARY KEY);
CREATE TABLE «User» (id VARCHAR(30) PRIMARY KEY, name VARCHAR(255));
CREATE TABLE «Account» (id VARCHAR(30) PRIMARY KEY, «userId» VARCHAR(30) NOT NULL, {ACCOUNT},
  «createdAt» {{naive}}, «updatedAt» {{naive}});
INSERT INTO «User» VALUES ('1', 'Ann'), ('2', 'Bob')"
        ))
        .await;
    accounts(&source, "Account", |at| Some(format!("'cuid-{at}'"))).await;
    // On SQLite, Prisma writes milliseconds into a column of times.
    let moment = match source.kind() {
        Kind::Sqlite => "1760011200500",
        _ => "'2025-10-09 12:00:00.5'",
    };
    source.run(&format!("UPDATE «Account» SET «createdAt» = {moment}")).await;
    source
}

pub(crate) async fn authjs_drizzle(database: Database) -> Source {
    let source = Source::on(database).await;
    source
        .run(&format!(
            "CREATE TABLE «user» (id VARCHAR(100) PRIMARY KEY, name VARCHAR(255));
CREATE TABLE account («userId» VARCHAR(100) NOT NULL, {ACCOUNT}, PRIMARY KEY (provider, «providerAccountId»));
INSERT INTO «user» VALUES ('1', 'Ann'), ('2', 'Bob')"
        ))
        .await;
    accounts(&source, "account", |_| None).await;
    source
}

pub(crate) async fn authjs_typeorm(database: Database) -> Source {
    let source = Source::on(database).await;
    source
        .run(&format!(
            "CREATE TABLE typeorm_metadata (type VARCHAR(255) NOT NULL);
CREATE TABLE users (id VARCHAR(36) PRIMARY KEY, name VARCHAR(255));
CREATE TABLE accounts (id {{uuid}} PRIMARY KEY, «userId» VARCHAR(36) NOT NULL, {ACCOUNT});
CREATE TABLE sessions (id {{uuid}} PRIMARY KEY, «sessionToken» VARCHAR(255), «userId» VARCHAR(36), expires VARCHAR(255));
INSERT INTO users VALUES ('1', 'Ann'), ('2', 'Bob')"
        ))
        .await;
    let uuid = |at| Some(format!("'018f0000-0000-7000-8000-00000000000{at}'"));
    accounts(&source, "accounts", uuid).await;
    source
}

pub(crate) async fn better_auth(database: Database) -> Source {
    let source = Source::on(database).await;
    let time = if source.kind() == Kind::Sqlite { "date" } else { "{zoned}" };
    source
        .run(
            &"CREATE TABLE «user» (id VARCHAR(36) NOT NULL PRIMARY KEY, name TEXT);
CREATE TABLE account (id VARCHAR(36) NOT NULL PRIMARY KEY, «accountId» TEXT NOT NULL,
  «providerId» TEXT NOT NULL, «userId» VARCHAR(36) NOT NULL, «accessToken» TEXT, «refreshToken» TEXT,
  «idToken» TEXT, «accessTokenExpiresAt» {time}, «refreshTokenExpiresAt» {time}, scope TEXT,
  password TEXT, «createdAt» {time}, «updatedAt» {time});
CREATE TABLE session (id VARCHAR(36) NOT NULL PRIMARY KEY, token TEXT, «userId» TEXT);
INSERT INTO «user» VALUES ('u1', 'Ann'), ('u2', 'Bob')"
                .replace("{time}", time),
        )
        .await;
    let codec = BetterAuth::new(&SourceKeys::new(BETTER_AUTH));
    let [access, refresh] = ["at-3", "rt-3"].map(|token| text(&sealed(&codec, token, ENCRYPTED)));
    let time = |second: u32| match source.kind() {
        Kind::Sqlite => format!("'2025-10-09T12:00:0{second}.000Z'"),
        _ => format!("'2025-10-09 12:00:0{second}'"),
    };
    for (id, account, provider, user, tokens, second) in [
        ("A1", "acc-1", "google", "u1", "'at-1', 'rt-1', 'it-1'", 1),
        // The same account again, and newer; under MariaDB's collation its id is that of no other.
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

pub(crate) async fn spring(database: Database) -> Source {
    let source = Source::on(database).await;
    source
        .run(
            "
CREATE TABLE oauth2_authorized_client (client_registration_id VARCHAR(100) NOT NULL,
  principal_name VARCHAR(200) NOT NULL, access_token_type VARCHAR(100) NOT NULL,
  access_token_value {bytes} NOT NULL, access_token_issued_at {naive} NOT NULL,
  access_token_expires_at {naive} NOT NULL, access_token_scopes VARCHAR(1000),
  refresh_token_value {bytes}, refresh_token_issued_at {naive}, created_at {naive},
  PRIMARY KEY (client_registration_id, principal_name))",
        )
        .await;
    for (registration, principal, refresh) in [
        ("okta", "Zoë Ångström", Some("rt-1")),
        ("okta", "Kim", None),
        ("Okta-EU", "Kim", Some("rt-3")),
    ] {
        let token = blob(source.kind(), format!("at-{principal}").as_bytes());
        let refresh = refresh.map_or("NULL".to_owned(), |it| blob(source.kind(), it.as_bytes()));
        source
            .run(&format!(
                "INSERT INTO oauth2_authorized_client VALUES ('{registration}', '{principal}', \
                 'Bearer', {token}, '2025-10-09 11:00:00', '2025-10-09 12:00:00', 'openid,email', \
                 {refresh}, NULL, '2025-01-01 00:00:00')"
            ))
            .await;
    }
    source
}

pub(crate) async fn grafana(database: Database) -> Source {
    let source = Source::on(database).await;
    let codec = Grafana::new(&SourceKeys::new(GRAFANA), &DataKeys::none());
    let [one, two] = ["at-1", "rt-1"].map(|token| text(&sealed(&codec, token, "")));
    source.run(&format!("
CREATE TABLE «user» (id {{id}}, login VARCHAR(190));
CREATE TABLE user_auth (id {{id}}, user_id BIGINT NOT NULL, auth_module VARCHAR(190) NOT NULL,
  auth_id VARCHAR(190) NOT NULL, created {{naive}}, o_auth_access_token TEXT, o_auth_refresh_token TEXT,
  o_auth_token_type TEXT, o_auth_expiry {{naive}}, o_auth_id_token TEXT, external_uid TEXT);
INSERT INTO «user» VALUES (1, 'ann'), (2, 'bob');
INSERT INTO user_auth (id, user_id, auth_module, auth_id, created, o_auth_access_token, o_auth_refresh_token, o_auth_expiry) VALUES
  (1, 1, 'oauth_google', 'g-1', '2025-01-01 00:00:00', '{one}', '{two}', '2025-10-09 12:00:00'),
  (2, 2, 'ldap', 'cn=bob', '2025-01-01 00:00:00', NULL, NULL, NULL),
  (3, 2, 'oauth_github', 'h-1', '2025-01-01 00:00:00', 'bm8gY2lwaGVydGV4dCBhdCBhbGwsIG5vbmUu', '', NULL),
  (4, 9, 'oauth_google', 'g-2', '2025-01-01 00:00:00', '{one}', '', NULL)")).await;
    source
}

pub(crate) async fn allauth(database: Database) -> Source {
    let source = Source::on(database).await;
    source.run("
CREATE TABLE auth_user (id {id}, username VARCHAR(150));
CREATE TABLE socialaccount_socialapp (id {id}, provider VARCHAR(30));
CREATE TABLE socialaccount_socialaccount (id {id}, provider VARCHAR(200) NOT NULL,
  uid VARCHAR(191) NOT NULL, last_login {zoned}, date_joined {zoned}, user_id INTEGER NOT NULL,
  extra_data {json}, UNIQUE (provider, uid));
CREATE TABLE socialaccount_socialtoken (id {id}, token TEXT NOT NULL, token_secret TEXT NOT NULL,
  expires_at {zoned}, account_id INTEGER NOT NULL, app_id INTEGER, UNIQUE (app_id, account_id));
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

pub(crate) async fn social_auth(database: Database) -> Source {
    let source = Source::on(database).await;
    let json = if source.kind() == Kind::Sqlite { "text" } else { "{json}" };
    source.run(&"
CREATE TABLE auth_user (id {id}, username VARCHAR(150));
CREATE TABLE social_auth_usersocialauth (id {id}, provider VARCHAR(32) NOT NULL, uid VARCHAR(191) NOT NULL,
  user_id INTEGER NOT NULL, created {zoned}, modified {zoned}, extra_data {json}, UNIQUE (provider, uid));
INSERT INTO auth_user VALUES (1, 'ann')".replace("{json}", json)).await;
    let rows = [
        r#"{"access_token": "at-1", "refresh_token": "rt-1", "expires": 3600, "auth_time": 1760000000, "tenant": {"a": [1]}}"#,
        r#"{"access_token": "at-2", "expires_in": "3600"}"#,
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

pub(crate) async fn laravel(database: Database) -> Source {
    let source = Source::on(database).await;
    let seal = |key: &str, token: &str| {
        text(&sealed(&Laravel::new(&SourceKeys::new(key)).unwrap(), token, LARAVEL_FORM))
    };
    let (mine, others) = (seal(LARAVEL, "gho-2"), seal("0123456789abcdef", "x"));
    source.run(&format!("
CREATE TABLE users (id {{id}}, name VARCHAR(255), email VARCHAR(255), remember_token VARCHAR(100),
  api_token VARCHAR(80), github_id VARCHAR(255), github_token TEXT, github_refresh_token TEXT,
  google_id VARCHAR(255), google_token TEXT, google_refresh_token TEXT, created_at {{naive}}, updated_at {{naive}});
INSERT INTO users (id, name, remember_token, github_id, github_token, github_refresh_token, google_id, google_token, google_refresh_token) VALUES
  (1, 'Ann', 'r', 'h-1', 'gho-1', NULL, 'g-1', 'ya29-1', 'rt-1'),
  (2, 'Bob', 'r', 'h-2', '{mine}', '', NULL, NULL, NULL),
  (3, 'Cy', 'r', NULL, '', NULL, 'g-3', '{others}', NULL),
  (4, 'Di', NULL, NULL, NULL, NULL, NULL, NULL, NULL)")).await;
    source
}

pub(crate) async fn rails(database: Database) -> Source {
    let source = Source::on(database).await;
    source.run("
CREATE TABLE users (id {id}, email VARCHAR(255));
CREATE TABLE identities (id {id}, user_id BIGINT, provider VARCHAR(255), uid VARCHAR(255),
  token VARCHAR(255), refresh_token VARCHAR(255), expires_at INTEGER, created_at {naive}, updated_at {naive});
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

pub(crate) async fn outline(database: Database) -> Source {
    let source = Source::on(database).await;
    let codec = Outline::new(&SourceKeys::new(OUTLINE)).unwrap();
    let token = |token: &str| blob(source.kind(), sealed(&codec, token, "").as_bytes().unwrap());
    let id = |at: usize| format!("018f0000-0000-7000-8000-00000000000{at}");
    let scopes = if source.kind() == Kind::Postgres { "{read,write}" } else { "read,write" };
    source.run("
CREATE TABLE users (id {uuid} PRIMARY KEY, name VARCHAR(255));
CREATE TABLE authentication_providers (id {uuid} PRIMARY KEY, name VARCHAR(255), «providerId» VARCHAR(255));
CREATE TABLE user_authentications (id {uuid} PRIMARY KEY, «userId» {uuid} NOT NULL,
  «authenticationProviderId» {uuid}, «accessToken» {bytes}, «refreshToken» {bytes}, scopes {texts},
  «providerId» VARCHAR(255) UNIQUE, «expiresAt» {zoned}, «lastValidatedAt» {zoned}, «createdAt» {zoned}, «updatedAt» {zoned})").await;
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
