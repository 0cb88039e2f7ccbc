//! A database with Open WebUI's schema, as it is before the move.

use std::error::Error;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use session_core::Timestamp;
use session_migrate::source::{Cell, SourceKeys, TokenCodec as _, codec::Fernet};
use uuid::Uuid;

const TABLES: [&str; 3] = [
    "CREATE TABLE user (id TEXT NOT NULL PRIMARY KEY, email TEXT NOT NULL)",
    "CREATE TABLE oauth_session (id TEXT NOT NULL, user_id TEXT NOT NULL, provider TEXT NOT NULL, \
     token TEXT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL, \
     updated_at BIGINT NOT NULL, PRIMARY KEY (id), \
     FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE)",
    "INSERT INTO user VALUES ('ann', 'ann@example.invalid'), ('bob', 'bob@example.invalid')",
];

/// In the year 2100, so that no token is due for renewal.
const EXPIRES_AT: i64 = 4_102_444_800;

/// Creates the tables and five sign-ins, and returns the cookie of Ann's newest browser.
pub(crate) async fn create(
    database: &DatabaseConnection,
    key: &str,
) -> Result<String, Box<dyn Error>> {
    for statement in TABLES {
        database.execute_unprepared(statement).await?;
    }
    let mut cookie = String::new();
    for (number, user, provider, key) in [
        (1, "ann", "oidc", key),
        (2, "ann", "oidc", key),
        (3, "ann", "oidc", key),
        (4, "ann", "mcp:docs", key),
        (5, "bob", "oidc", "a lost key"),
    ] {
        let id = sign_in(database, number, user, provider, key).await?;
        if number == 3 {
            cookie = id;
        }
    }
    Ok(cookie)
}

async fn sign_in(
    database: &DatabaseConnection,
    number: i64,
    user: &str,
    provider: &str,
    key: &str,
) -> Result<String, Box<dyn Error>> {
    let id = Uuid::new_v4().to_string();
    let json =
        format!(r#"{{"access_token": "access-{number}", "refresh_token": "refresh-{number}"}}"#);
    let now = Timestamp::from_millis(1_760_000_000_000 + number * 1000);
    let sealed = Fernet::new(&SourceKeys::new(key))?.seal(
        json.as_bytes(),
        &Cell::Text(String::new()),
        now,
    )?;
    let token = sealed.as_text().unwrap_or_default().into_owned();
    let at = now.as_millis() / 1000;
    let sql = "INSERT INTO oauth_session VALUES (?, ?, ?, ?, ?, ?, ?)";
    let values = [
        id.clone().into(),
        user.into(),
        provider.into(),
        token.into(),
        EXPIRES_AT.into(),
        at.into(),
        at.into(),
    ];
    let insert = Statement::from_sql_and_values(database.get_database_backend(), sql, values);
    database.execute_raw(insert).await?;
    Ok(id)
}

/// Returns the whole table as it is stored.
pub(crate) async fn rows(database: &DatabaseConnection) -> Result<String, Box<dyn Error>> {
    let sql = "SELECT group_concat(id || user_id || provider || token || typeof(expires_at) || \
               expires_at || created_at || updated_at ORDER BY id) FROM oauth_session";
    let query = Statement::from_string(database.get_database_backend(), sql);
    let row = database.query_one_raw(query).await?.ok_or("no answer")?;
    Ok(row.try_get_by_index(0)?)
}
