//! Open WebUI's table, with many rows and all that goes wrong in it.

use session_core::Timestamp;
use session_migrate::source::{Cell, SourceKeys, TokenCodec as _, codec::Fernet};
use session_tests::database::{Database, Kind};

use crate::command::Tool;
use crate::source::Source;

pub(crate) const KEY: &str = "the current secret";

pub(crate) fn sealed(secret: &str, json: &str) -> String {
    let codec = Fernet::new(&SourceKeys::new(secret)).unwrap();
    let future = Timestamp::from_millis(4_102_444_800_000);
    let cell = codec.seal(json.as_bytes(), &Cell::Text(String::new()), future).unwrap();
    cell.as_text().unwrap().into_owned()
}

/// The tables, and so many people with a row each; and some rows with traps.
///
/// The tokens of row `id-N` are `at-N` and `rt-N`.
pub(crate) async fn source(database: Database, people: usize) -> Source {
    let source = Source::on(database).await;
    let is_mysql = matches!(source.kind(), Kind::MariaDb | Kind::MySql);
    let key = if is_mysql { "VARCHAR(255)" } else { "TEXT" };
    source
        .run(&format!(
            "CREATE TABLE «user» (id {key} NOT NULL PRIMARY KEY, email VARCHAR(255));
CREATE TABLE oauth_session (id {key} NOT NULL, user_id {key} NOT NULL, provider TEXT NOT NULL,
  token TEXT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL, PRIMARY KEY (id));
CREATE INDEX idx_oauth_session_expires_at ON oauth_session (expires_at)"
        ))
        .await;
    for at in 0..people {
        source.run(&format!("INSERT INTO «user» VALUES ('u{at}', 'u{at}@example.invalid')")).await;
        insert(&source, &format!("id-{at:03}"), &format!("u{at}"), "oidc", &token(at)).await;
    }
    for (id, user, provider, token) in [
        ("trap-1", "u0", "OIDC", token(901)),
        ("trap-2", "u0", "oidc ", token(902)),
        ("trap-3", "u0", "mcp:docs", token(903)),
        ("trap-4", "gone", "oidc", token(904)),
        ("trap-5", "u1", "oidc", sealed("nobody's", "{}")),
    ] {
        insert(&source, id, user, provider, &token).await;
    }
    if source.kind() == Kind::Sqlite {
        source.run("UPDATE oauth_session SET expires_at = 1760000000.5 WHERE id = 'trap-1'").await;
    }
    source
}

pub(crate) fn token(at: usize) -> String {
    let json = format!(
        r#"{{"access_token": "at-{at}", "refresh_token": "rt-{at}", "x": {at}, "expires_at": 1760000000}}"#
    );
    sealed(KEY, &json)
}

pub(crate) async fn insert(source: &Source, id: &str, user: &str, provider: &str, token: &str) {
    let values = format!("'{id}', '{user}', '{provider}', '{token}', 1760000000, 1000, 2000");
    source.run(&format!("INSERT INTO oauth_session VALUES ({values})")).await;
}

pub(crate) fn tool(source: &Source) -> Tool {
    Tool::preset(source, "openwebui").key(KEY)
}
