//! Open WebUI.

use session_core::Timestamp;
use session_migrate::source::{Cell, SourceKeys, TokenCodec as _, codec::Fernet};

use crate::source::Source;

/// The key of the rows that [`tokens`] seals.
pub const KEY: &str = "the current secret";

/// The tables, without the foreign key to the user, which sources with orphans cannot have.
pub const TABLES: &str = "
CREATE TABLE «user» (id {key} NOT NULL PRIMARY KEY, email VARCHAR(255));
CREATE TABLE oauth_session (id {key} NOT NULL, user_id {key} NOT NULL, provider TEXT NOT NULL,
  token TEXT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL, PRIMARY KEY (id){refers});
CREATE INDEX idx_oauth_session_user_id ON oauth_session (user_id);
CREATE INDEX idx_oauth_session_expires_at ON oauth_session (expires_at)";

/// Returns the tables with the foreign key: deleting a user deletes its rows.
#[must_use]
pub fn cascading_tables() -> String {
    let refers = ",\n  FOREIGN KEY (user_id) REFERENCES «user» (id) ON DELETE CASCADE";
    TABLES.replace("{refers}", refers)
}

/// Seals JSON as Open WebUI encrypts it.
#[must_use]
pub fn sealed(secret: &str, json: &str) -> String {
    let codec = Fernet::new(&SourceKeys::new(secret)).unwrap();
    let now = Timestamp::from_millis(1_750_000_000_000);
    let cell = codec.seal(json.as_bytes(), &Cell::Text(String::new()), now).unwrap();
    cell.as_text().unwrap().into_owned()
}

/// Returns the sealed tokens `at-NAME` and `rt-NAME`.
#[must_use]
pub fn tokens(name: &str) -> String {
    let json = format!(r#"{{"access_token": "at-{name}", "refresh_token": "rt-{name}"}}"#);
    sealed(KEY, &json)
}

/// Inserts a row.
pub async fn insert(
    source: &Source,
    id: &str,
    user: &str,
    provider: &str,
    token: &str,
    expires: &str,
) {
    let values = format!("'{id}', '{user}', '{provider}', '{token}', {expires}, 1000, 2000");
    source.run(&format!("INSERT INTO oauth_session VALUES ({values})")).await;
}
