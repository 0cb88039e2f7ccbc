//! Sessions by the million, written by the database itself.

use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use session_core::Timestamp;
use session_tests::database::Kind;

/// How many sessions each filled user has.
const SESSIONS_OF_USER: u64 = 10;

/// Sessions to write, numbered from `first`, each created a millisecond after the one before.
pub(crate) struct Filling<'a> {
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) from: Timestamp,
    pub(crate) provider: &'a str,
    /// Whether one in ten has ended.
    pub(crate) with_ended: bool,
}

/// The expressions of a row, in the language of a database.
struct Expressions {
    id: String,
    event_id: String,
    user: String,
    digest: String,
    partition: String,
    tokens: String,
}

impl Filling<'_> {
    /// Writes the sessions, an event of each, and the rows that admissions to their partitions lock.
    pub(crate) async fn write(&self, connection: &DatabaseConnection, kind: Kind) {
        match kind {
            Kind::MariaDb => set(connection, "max_recursive_iterations").await,
            Kind::MySql => set(connection, "cte_max_recursion_depth").await,
            Kind::Sqlite | Kind::Postgres => {}
        }
        let of = Expressions::of(kind, self.from.as_millis());
        for (into, selected) in [self.sessions(&of), self.events(&of)] {
            self.insert(connection, kind, &into, &selected).await;
        }
        let lock = format!("{}, {SESSIONS_OF_USER}", of.partition);
        let lock = format!("{lock} FROM n WHERE i % {SESSIONS_OF_USER} = 0");
        self.insert(connection, kind, "admission_lock (partition_key, admissions)", &lock).await;
    }

    async fn insert(&self, connection: &DatabaseConnection, kind: Kind, into: &str, what: &str) {
        let (first, last) = (self.first, self.first + self.count - 1);
        let numbers = format!(
            "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
        );
        let sql = match kind {
            Kind::MariaDb | Kind::MySql => format!("INSERT INTO {into} {numbers} SELECT {what}"),
            _ => format!("{numbers} INSERT INTO {into} SELECT {what}"),
        };
        connection.execute_unprepared(&sql).await.unwrap();
    }

    fn sessions(&self, of: &Expressions) -> (String, String) {
        let into = "login_session (id, digest, user_id, provider, partition_key, admission, issuer, \
                    subject, device, origin, created_at, last_seen_at, timeouts_from, renewed_at, \
                    revision, ended_at, end_reason, sealed_tokens, sealed_refresh_token, seal_key)";
        let at = format!("{} + i - {}", self.from.as_millis(), self.first);
        let of_ended = |ended: &str, live: &str| match self.with_ended {
            true => format!("CASE WHEN i % 10 = 3 THEN {ended} ELSE {live} END"),
            false => live.to_owned(),
        };
        let ended = of_ended("1", "NULL");
        let reason = of_ended("'signed_out'", "NULL");
        let (tokens, key) = (of_ended("NULL", &of.tokens), of_ended("NULL", "'sample'"));
        let selected = format!(
            "{}, {}, {user}, '{}', {}, i, 'https://id.example', {user}, 'Firefox on Linux', 'imported', \
             {at}, {at}, {at}, {at}, 1, {ended}, {reason}, {tokens}, {tokens}, {key} FROM n",
            of.id,
            of.digest,
            self.provider,
            of.partition,
            user = of.user,
        );
        (into.to_owned(), selected)
    }

    fn events(&self, of: &Expressions) -> (String, String) {
        let into = "login_session_event (id, session_id, user_id, provider, kind, at)";
        let at = format!("{} + i - {}", self.from.as_millis(), self.first);
        let selected = format!(
            "{}, {}, {}, '{}', 'created', {at} FROM n",
            of.event_id, of.id, of.user, self.provider
        );
        (into.to_owned(), selected)
    }
}

impl Expressions {
    /// Creates the expressions of rows whose numbers count milliseconds from this time.
    fn of(kind: Kind, from: i64) -> Self {
        let hex = |what: &str| match kind {
            Kind::Postgres => format!(
                "lpad(to_hex({from}::bigint + i), 12, '0') || '7' || substr(md5('{what}' || i), 1, 3) \
                 || '8' || substr(md5('{what}' || i), 4, 15)"
            ),
            Kind::MariaDb | Kind::MySql => format!(
                "UNHEX(CONCAT(LPAD(HEX({from} + i), 12, '0'), '7', SUBSTR(MD5(CONCAT('{what}', i)), 1, 3), \
                 '8', SUBSTR(MD5(CONCAT('{what}', i)), 4, 15)))"
            ),
            Kind::Sqlite => format!(
                "unhex(printf('%012x7', {from} + i) || substr(hex(randomblob(2)), 1, 3) || '8' || \
                 substr(hex(randomblob(8)), 1, 15))"
            ),
        };
        let of = |sql: &str| sql.to_owned();
        match kind {
            Kind::Postgres => Self {
                id: format!("({})::uuid", hex("session")),
                event_id: format!("({})::uuid", hex("event")),
                user: of("'user-' || i / 10"),
                digest: of("sha256(('digest' || i)::bytea)"),
                partition: of("sha256(('user' || i / 10)::bytea)"),
                tokens: of("decode(repeat(md5(i::text), 16), 'hex')"),
            },
            Kind::MariaDb | Kind::MySql => Self {
                id: hex("session"),
                event_id: hex("event"),
                user: of("CONCAT('user-', i DIV 10)"),
                digest: of("UNHEX(SHA2(CONCAT('digest', i), 256))"),
                partition: of("UNHEX(SHA2(CONCAT('user', i DIV 10), 256))"),
                tokens: of("UNHEX(REPEAT(MD5(i), 16))"),
            },
            Kind::Sqlite => Self {
                id: hex("session"),
                event_id: hex("event"),
                user: of("'user-' || (i / 10)"),
                digest: of("randomblob(32)"),
                // Spread over the index, as digests are.
                partition: of(
                    "unhex(printf('%08x%056x', ((i / 10) * 2654435761) % 4294967296, i / 10))",
                ),
                tokens: of("randomblob(256)"),
            },
        }
    }
}

async fn set(connection: &DatabaseConnection, variable: &str) {
    let sql = format!("SET SESSION {variable} = 100000000");
    connection.execute_unprepared(&sql).await.unwrap();
}
