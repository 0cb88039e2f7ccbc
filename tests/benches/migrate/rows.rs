//! Open WebUI's table, filled with statements of the database.

use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use session_tests::database::{Database, Kind};

/// The maximum number of rows of a user and provider. Every number from 1 on occurs equally often.
const MAX_ROWS: usize = 20;

/// Creates a table with this number of rows, of which 26 in 100 are over a cap of ten, and with this
/// text for every token.
pub(crate) async fn filled_with(kind: Kind, rows: u64, token: &str) -> Database {
    let database = Database::create(kind).await;
    let connection = database.connect().await;
    let is_mysql = matches!(kind, Kind::MariaDb | Kind::MySql);
    let (key, provider) =
        if is_mysql { ("VARCHAR(255)", "VARCHAR(100)") } else { ("TEXT", "TEXT") };
    for sql in [
        "CREATE TABLE digit (d BIGINT NOT NULL)".to_owned(),
        "INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)".to_owned(),
        "CREATE TABLE size (r BIGINT NOT NULL PRIMARY KEY, pair BIGINT NOT NULL)".to_owned(),
        format!("INSERT INTO size VALUES {}", sizes()),
        format!(
            "CREATE TABLE oauth_session (id {key} NOT NULL, user_id {key} NOT NULL, \
             provider {provider} NOT NULL, token TEXT NOT NULL, expires_at BIGINT NOT NULL, \
             created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (id))"
        ),
        "CREATE INDEX idx_oauth_session_user_id ON oauth_session (user_id)".to_owned(),
        "CREATE INDEX idx_oauth_session_expires_at ON oauth_session (expires_at)".to_owned(),
        "CREATE INDEX idx_oauth_session_user_provider ON oauth_session (user_id, provider)"
            .to_owned(),
        fill(rows, token),
    ] {
        connection.execute_unprepared(&sql).await.unwrap();
    }
    let analyze = match kind {
        Kind::Postgres => "VACUUM ANALYZE oauth_session",
        Kind::Sqlite => "ANALYZE",
        _ => "ANALYZE TABLE oauth_session",
    };
    connection.execute_unprepared(analyze).await.unwrap();
    connection.close().await.unwrap();
    database
}

/// Returns which user each row of a round belongs to.
fn sizes() -> String {
    let pairs = (0..MAX_ROWS).flat_map(|pair| std::iter::repeat_n(pair, pair + 1));
    let rows: Vec<String> =
        pairs.enumerate().map(|(row, pair)| format!("({row}, {pair})")).collect();
    rows.join(", ")
}

/// Returns the insert: ids in random order, times with some ties.
fn fill(rows: u64, token: &str) -> String {
    let round = MAX_ROWS * (MAX_ROWS + 1) / 2;
    let number =
        "a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d + 1000000 * h.d";
    format!(
        "INSERT INTO oauth_session \
         SELECT concat('3f2504e0-4f89-41d3-9a0c-', 1000000000000 + (n * 2654435761) % 4294967296), \
         concat('user-', (n - n % {round}) / {round} * {MAX_ROWS} + pair), 'google', \
         '{token}', 1760000000 + n % 3600, 1700000000 + (n * 7919) % 10000000, 1700000000 \
         FROM (SELECT {number} AS n FROM digit a, digit b, digit c, digit e, digit f, digit g, digit h) \
         numbers JOIN size ON size.r = n % {round} WHERE n < {rows}"
    )
}

pub(crate) async fn count(connection: &DatabaseConnection) -> i64 {
    let sql = "SELECT COUNT(*) FROM oauth_session";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}
